"""What leaves the pipeline: pictures and files of landmarks."""

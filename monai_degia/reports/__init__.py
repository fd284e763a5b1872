"""What a run leaves about a set of images."""

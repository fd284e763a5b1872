"""Images, labels and weights on disk."""

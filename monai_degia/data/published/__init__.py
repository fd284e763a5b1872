"""Published sets of hand images in the formats in which they are given out."""

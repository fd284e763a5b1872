"""Reading images, landmarks and data lists."""

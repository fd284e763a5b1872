"""From image files to pictures for a network, and back."""

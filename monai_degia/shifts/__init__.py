"""Fixed changes of appearance, framing and pose, for validation."""

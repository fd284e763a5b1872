"""Data lists: items, landmark sets, splits."""

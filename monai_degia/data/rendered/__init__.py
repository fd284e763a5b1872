"""Rendered hands with exact landmarks."""

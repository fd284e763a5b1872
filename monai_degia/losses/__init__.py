"""Losses of the two phases."""

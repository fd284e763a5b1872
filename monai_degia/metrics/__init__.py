"""Landmark metrics: pure functions, MONAI metric classes and ignite handlers."""

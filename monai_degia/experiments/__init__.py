"""Grids of runs over the bundle's configs, and their tables; no training code."""

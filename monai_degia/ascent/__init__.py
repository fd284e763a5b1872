"""The maximisation phase: what moves, by which steps, up which objective."""

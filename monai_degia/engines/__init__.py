"""Ignite engines of the two phases, their handlers, and what they report."""

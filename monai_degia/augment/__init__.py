"""Random changes of geometry and appearance."""

"""Files, and what is told of errors."""

"""Sets of digits in their published forms."""

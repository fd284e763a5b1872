"""What one image yields."""

"""Task networks: backbones, heads and the landmark regressor."""

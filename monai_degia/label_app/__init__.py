"""MONAI Label: landmarks on request, corrected landmarks as training data."""

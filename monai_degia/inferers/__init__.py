"""MONAI inferers: a single forward pass, or test-time augmentation."""

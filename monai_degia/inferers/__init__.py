"""How a trained network is asked: MONAI inferers for prediction."""

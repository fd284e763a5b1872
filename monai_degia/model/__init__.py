"""What a trained model is: network, flow, landmarks, preprocessing, copies, calibration."""

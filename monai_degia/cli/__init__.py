"""The command ``monai_degia``: train, evaluate, predict, calibrate, convert, report, serve, demo."""

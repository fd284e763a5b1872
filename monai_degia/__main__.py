"""``python -m monai_degia``."""

from monai_degia.cli.main import command_line

if __name__ == "__main__":
    command_line()

"""``python -m monai_degia``."""

from monai_degia.cli.main import main

if __name__ == "__main__":
    main()

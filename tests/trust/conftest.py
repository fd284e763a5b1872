"""How long the tests of trust go on: for minutes, or with MONAI_DEGIA_SOAK=1 for an hour."""

import os
from collections.abc import Callable

import pytest

SOAK = os.environ.get("MONAI_DEGIA_SOAK", "") not in ("", "0")


@pytest.fixture(scope="session")
def amount() -> Callable[[int, int], int]:
    """One of two numbers: of a test that a developer waits for, and of a soak."""
    return lambda short, soak: soak if SOAK else short

"""What others say is passed over where it is listed, and only there."""

import importlib
import logging
import warnings
from pathlib import Path

import monai
import monai.data.image_reader
import pytest

from monai_degia.engines.hushed import HUSHED, Hushed, hush_others


@pytest.mark.skipif(monai.__version__ < "1.6.1", reason="the list is that of MONAI 1.6.1")
@pytest.mark.parametrize("entry", HUSHED, ids=lambda entry: entry.message)
def test_what_is_listed_is_still_said(entry: Hushed) -> None:
    """An entry that nobody says any more has to go: it might hide something else one day."""
    module = importlib.import_module(entry.logger) if entry.logger else monai.data.image_reader
    assert entry.message in Path(str(module.__file__)).read_text(encoding="utf-8") and entry.why


def test_listed_warnings_and_records_are_dropped_and_others_shown(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hush_others()
        for entry in HUSHED:
            if entry.logger is None:
                warnings.warn(f"{entry.message} and so on", stacklevel=1)
        warnings.warn("another matter", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["another matter"]
    with caplog.at_level(logging.INFO):
        for entry in HUSHED:
            if entry.logger is not None:
                logging.getLogger(entry.logger).warning("%s and so on", entry.message)
                logging.getLogger(entry.logger).warning("another matter")
    assert set(caplog.messages) == {"another matter"}

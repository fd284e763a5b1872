"""What other packages say on the way that no user of this one can act on: all of it is listed here, with the reason.

What is not listed is shown. Two calls silence more for their own time, and say why where they do so: the writer of
structured reports and the tracing of a network (``results/structured_report.py``, ``networks/inference_copy.py``).
Values of DICOM headers are kept off the screen by ``io/discretion.py``.
"""

from __future__ import annotations

import logging
import re
import warnings
from typing import NamedTuple

__all__ = ["HUSHED", "Hushed", "hush_others"]


class Hushed(NamedTuple):
    """A warning or a log record that is not shown.

    Args:
        message: how it begins, a regular expression.
        why: it tells a user nothing.
        logger: of a record; ``None`` for a warning of Python.

    """

    message: str
    why: str
    logger: str | None = None


HUSHED = (
    Hushed(
        "NvImgCodecPydicomReader: nvImageCodec decoder plugin did not register",
        "MONAI's DICOM reader looks for an optional decoder; this package reads DICOM by a reader of its own",
    ),
    Hushed("nvImageCodec is not available", "likewise", "monai.data.nvimgcodec_pydicom_plugin"),
    Hushed(
        "Not all config files are in",
        "overlays lie in a folder of their own; the command names the metadata and the log's settings itself",
        "monai.bundle.workflows",
    ),
    Hushed("Setting logging properties based on config", "is the same line in every run", "monai.bundle.workflows"),
)


def hush_others() -> None:
    """Let this process pass over what :data:`HUSHED` lists."""
    for entry in HUSHED:
        if entry.logger is None:
            warnings.filterwarnings("ignore", message=entry.message)
        else:
            logging.getLogger(entry.logger).addFilter(_FILTER)  # a second time changes nothing


class _Passing(logging.Filter):
    """Drop the records that are listed for the logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        listed = [entry.message for entry in HUSHED if entry.logger == record.name]
        return not any(re.match(message, record.getMessage()) for message in listed)


_FILTER = _Passing()

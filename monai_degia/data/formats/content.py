"""What a file holds, told by its first bytes and parsed once: formats judge this, never the ending of a name."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from monai_degia.data.formats.wording import listed
from monai_degia.errors import UserError
from monai_degia.io.hdf5_files import open_hdf5

__all__ = ["Content", "load_content"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class Content:
    """A file or folder that may hold annotations.

    Args:
        path: where it is.
        kind: ``json``, ``xml``, ``table`` (any other text), ``hdf5``, ``folder`` or ``binary``.
        value: the parsed JSON, the root element of the XML, the text of a table, the attributes of each top entry of
            an HDF5 file; None otherwise.

    """

    path: Path
    kind: Literal["json", "xml", "table", "hdf5", "folder", "binary"]
    value: Any = None

    def objects(self, *keys: str) -> bool:
        """Whether it is a JSON object that has all these keys."""
        return self.kind == "json" and isinstance(self.value, dict) and all(key in self.value for key in keys)

    def first_item(self) -> dict[str, Any]:
        """The first object of a JSON list of objects; empty for anything else."""
        if self.kind != "json" or not isinstance(self.value, list) or not self.value:
            return {}
        return self.value[0] if isinstance(self.value[0], dict) else {}


def load_content(path: Path) -> Content:
    """Read and parse a file; a folder is only told to be one.

    Args:
        path: a file or folder.

    Returns:
        Its content.

    Raises:
        ValueError: if there is nothing at that path, or what begins as JSON or XML, or is text, cannot be parsed.

    """
    if path.is_dir():
        return Content(path, "folder")
    if not path.is_file():
        raise UserError(f"There is no annotation file or folder {path}. Check the path.")
    data = path.read_bytes()
    if data.startswith(_HDF5):
        return Content(path, "hdf5", _hdf5(path))
    if data.startswith(_ZIP):
        raise UserError(f"{path} is {_archive(path)}.")
    if b"\0" in data[:1024] and not data.startswith(_UTF16):
        return Content(path, "binary")
    text = _text(path, data)
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return Content(path, "json", _json(path, text))
    if start == "<":
        return Content(path, "xml", _xml(path, data))
    return Content(path, "table", text)


def _archive(path: Path) -> str:
    """What a ZIP file is and what to do with it; workbooks are such files too."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a damaged ZIP archive"
    if "xl/workbook.xml" in names:
        return "a workbook: save its sheet as CSV"
    inside = [name for name in names if name.lower().endswith((".json", ".xml", ".csv", ".h5", ".slp"))]
    return f"a ZIP archive: unpack it, and pass what is in it ({listed(inside) or 'no annotation file'})"


def _hdf5(path: Path) -> dict[str, tuple[str, ...]]:
    with open_hdf5(path, "sleap] or monai_degia[deeplabcut") as file:
        return {name: tuple(entry.attrs) for name, entry in file.items()}


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")  # Excel's "Unicode text" is UTF-16
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8 ({error}). Save it as UTF-8.") from error


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}). Correct it at that place.") from error


def _xml(path: Path, data: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"{path} is not valid XML ({error}). Correct it at that place.") from error

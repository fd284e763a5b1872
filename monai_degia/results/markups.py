"""Landmarks as 3D Slicer markups, one point list an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.io.files import whole_file
from monai_degia.results.prediction import LandmarkPrediction

__all__ = ["MarkupsWriter", "markups_text"]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


class MarkupsWriter:
    """Write ``<output_name>.mrk.json``, which 3D Slicer opens: a control point a landmark, in LPS.

    Positions are millimetres in the frame of the source file. A file with an affine (NIfTI, MetaImage, DICOM) keeps to
    it; another with known spacing puts its first pixel's centre at the origin. Where the spacing is unknown, positions
    are those at which Slicer shows the picture: it counts a pixel as 1 mm, or takes the size of a printed dot where a
    JPEG or TIFF states one. Slicer refuses any unit but mm, so the list's name and each description say that these are
    no millimetres of the object.

    Slicer itself does not read every spacing: ITK ignores ``PixelSpacing`` and magnification in some kinds of X-ray
    DICOM. On such a file the points fit the picture once the volume has been given the spacing of the record.

    Args:
        output_dir: folder of the files.

    """

    ending = ".mrk.json"

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)

    def write(self, record: LandmarkPrediction) -> Path:
        """Write the markups of one image.

        Args:
            record: the image's landmarks.

        Returns:
            The file written.

        """
        path = self.output_dir / f"{record.output_name}{self.ending}"
        with whole_file(path) as partial:
            partial.write_text(markups_text(record), encoding="utf-8")
        return path


def markups_text(record: LandmarkPrediction) -> str:
    """Content of a file of Slicer markups, see :class:`MarkupsWriter`."""
    unknown = record.spacing_mm is None
    markup = {
        "type": "Fiducial",
        "name": "landmarks (pixel size unknown)" if unknown else "landmarks",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": True,
        "labelFormat": "%N-%d",
        "controlPoints": _control_points(record, "no millimetres: pixel size unknown" if unknown else ""),
    }
    return json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=2, allow_nan=False) + "\n"


def _control_points(record: LandmarkPrediction, remark: str) -> list[dict[str, Any]]:
    trust = [_trust(record, index) for index in range(len(record.names))]
    outside = ["outside the image" if flag else "" for flag in record.landmark_outside]
    columns = (record.names, _positions(record), trust, outside)
    return [
        {
            "id": str(index),
            "label": name,
            "description": "; ".join(filter(None, [told, beyond, remark])),
            "position": [round(float(value), 4) for value in position],
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for index, (name, position, told, beyond) in enumerate(zip(*columns, strict=True), start=1)
    ]


def _trust(record: LandmarkPrediction, index: int) -> str:
    """What is known of how far the landmark may be off."""
    if record.withheld:
        return "confidence withheld: unlike the images it was fitted on"
    parts = []
    if record.confidence is not None:
        parts.append(f"confidence {record.confidence[index]:.3f}")
    if record.radius_px is not None:
        metric = "" if record.radius_mm is None else f" ({record.radius_mm[index]:.1f} mm)"
        parts.append(f"90 % within {record.radius_px[index]:.1f} px{metric}")
    return "; ".join(parts)


def _positions(record: LandmarkPrediction) -> np.ndarray:
    """LPS positions (K, 3)."""
    points = np.array(record.points_px, dtype=np.float64)
    if record.affine is not None:
        index = np.column_stack([points, np.zeros(len(points)), np.ones(len(points))])
        return (index @ np.array(record.affine).T)[:, :3] * (-1.0, -1.0, 1.0)  # RAS to LPS
    spacing = record.spacing_mm or _shown_spacing(record.file)
    return np.column_stack([points * spacing, np.zeros(len(points))])


def _shown_spacing(file: Path) -> tuple[float, float]:
    """Pixel size at which ITK, and so Slicer, shows a picture."""
    import SimpleITK  # here and not above: it takes long to load, and markups are made on request

    reader = SimpleITK.ImageFileReader()
    try:
        str(file).encode()  # ITK ends the whole process at a name that is not UTF-8
        reader.SetFileName(str(file))
        reader.ReadImageInformation()
    except (UnicodeEncodeError, RuntimeError):  # or the file is gone, or of no format that ITK knows
        return 1.0, 1.0
    width, height = reader.GetSpacing()[:2]
    return float(width), float(height)

"""Landmarks as 3D Slicer markups, one point list an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_degia.errors import UserError
from monai_degia.io.files import whole_file
from monai_degia.io.viewer_frame import ViewerFrame, viewer_frame
from monai_degia.results.prediction import LandmarkPrediction

__all__ = ["MarkupsWriter", "markups_text"]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_EQUAL = 1e-3  # relative; a millimetre on a metre


class MarkupsWriter:
    """Write ``<output_name>.mrk.json``, which 3D Slicer opens: a control point a landmark, in LPS.

    Positions are those at which ITK, and so Slicer, shows the pixels of the source file: it is asked
    (:func:`monai_degia.io.viewer_frame.viewer_frame`), so that points lie on the image. Its millimetres are not always
    those of the object: it knows ``ImagerPixelSpacing`` alone in CR, DX, MG, XA and RF files, 1 mm where there is none,
    and the size of a printed dot in some pictures. Where they differ from the record's, the list's name says so and
    each description tells both; the record's own are in CSV, JSON and reports. Slicer refuses any unit but mm. A file
    that ITK does not read has the positions of its affine, or of its spacing from the first pixel's centre.

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
    try:
        frame = viewer_frame(record.file, len(record.size_px))
    except UserError:  # gone, or of no format that ITK knows
        frame = None
    name, remark = _remark(record, frame)
    markup = {
        "type": "Fiducial",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": True,
        "labelFormat": "%N-%d",
        "controlPoints": _control_points(record, _positions(record, frame), remark),
    }
    return json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=2, allow_nan=False) + "\n"


def _remark(record: LandmarkPrediction, frame: ViewerFrame | None) -> tuple[str, str]:
    """Name of the list, and what each description tells of its millimetres."""
    if record.spacing_mm is None:
        return "landmarks (pixel size unknown)", "no millimetres: pixel size unknown"
    if frame is None or np.allclose(frame.spacing, record.spacing_mm, rtol=_EQUAL):
        return "landmarks", ""
    shown, known = (_sides(spacing) for spacing in (frame.spacing, record.spacing_mm))
    source = f", {record.spacing_source}" if record.spacing_source else ""
    return "landmarks (millimetres of the viewer)", f"shown at {shown} mm a pixel, known {known} mm{source}"


def _sides(spacing: Sequence[float]) -> str:
    sides = [f"{side:.5g}" for side in spacing]
    return sides[0] if len(set(sides)) == 1 else " x ".join(sides)


def _control_points(record: LandmarkPrediction, positions: np.ndarray, remark: str) -> list[dict[str, Any]]:
    trust = [_trust(record, index) for index in range(len(record.names))]
    outside = ["outside the image" if flag else "" for flag in record.landmark_outside]
    columns = (record.names, positions, trust, outside)
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


def _positions(record: LandmarkPrediction, frame: ViewerFrame | None) -> np.ndarray:
    """LPS positions (K, 3)."""
    points = np.array(record.points_px, dtype=np.float64)
    if frame is not None:
        return frame.positions(points)
    if record.affine is not None:
        index = np.column_stack([points, np.zeros((len(points), 3 - points.shape[1])), np.ones(len(points))])
        return (index @ np.array(record.affine).T)[:, :3] * (-1.0, -1.0, 1.0)  # RAS to LPS
    steps = record.spacing_mm or (1.0,) * points.shape[1]
    return np.column_stack([points * steps, np.zeros((len(points), 3 - points.shape[1]))])

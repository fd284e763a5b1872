import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.results.markups import MarkupsWriter, markups_text
from monai_degia.results.prediction import LandmarkPrediction

Make = Callable[..., LandmarkPrediction]


def written(record: LandmarkPrediction, folder: Path) -> dict[str, Any]:
    path = MarkupsWriter(folder).write(record)
    assert path.name == f"{record.output_name}.mrk.json"
    content = json.loads(path.read_text())
    assert content["@schema"].endswith("markups-schema-v1.0.3.json#") and len(content["markups"]) == 1
    return content["markups"][0]


def positions(markup: dict[str, Any]) -> np.ndarray:
    return np.array([point["position"] for point in markup["controlPoints"]])


def shown_by_itk(file: Path, points: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Where ITK, on which 3D Slicer stands, puts pixels of a file: LPS."""
    image = SimpleITK.ReadImage(str(file))
    extra = (0.0,) * (image.GetDimension() - 2)
    found = [image.TransformContinuousIndexToPhysicalPoint((*point, *extra)) for point in points]
    return np.array([(*place, 0.0)[:3] for place in found])


def test_a_list_of_points_with_label_and_confidence(tmp_path: Path, make_record: Make) -> None:
    record = make_record(
        tmp_path / "a.dcm",
        points_px=((1.5, 2.0), (3.0, 4.0), (-9.0, 5.0)),
        spacing_mm=(0.2, 0.5),
        confidence=(0.91, 0.5, 0.1234),
    )
    markup = written(record, tmp_path)
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == ("Fiducial", "LPS", "mm")
    assert markup["name"] == "landmarks"
    assert [point["label"] for point in markup["controlPoints"]] == list(record.names)
    assert {point["positionStatus"] for point in markup["controlPoints"]} == {"defined"}
    assert len({point["id"] for point in markup["controlPoints"]}) == 3
    assert [point["description"] for point in markup["controlPoints"]] == [
        "confidence 0.910",
        "confidence 0.500",
        "confidence 0.123; outside the image",
    ]
    assert np.allclose(positions(markup), [[0.3, 1.0, 0.0], [0.6, 2.0, 0.0], [-1.8, 2.5, 0.0]])


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "dots.jpg", "dots.tif", "a.bmp"])
def test_points_lie_on_a_picture_as_slicer_shows_it(tmp_path: Path, make_record: Make, name: str) -> None:
    options = {"dpi": (72, 72)} if name.startswith("dots") else {}
    Image.fromarray(np.zeros((80, 60), dtype=np.uint8)).save(tmp_path / name, **options)
    record = make_record(tmp_path / name)
    markup = written(record, tmp_path)
    expected = shown_by_itk(record.file, record.points_px)
    assert np.allclose(positions(markup), expected, atol=1e-4)
    factor = 25.4 / 72 if options else 1.0
    assert np.allclose(expected[:, :2], np.array(record.points_px) * factor)
    assert markup["name"] == "landmarks (pixel size unknown)"
    assert all("no millimetres" in point["description"] for point in markup["controlPoints"])


@pytest.mark.parametrize("sign", [1, -1])
def test_points_follow_the_affine_of_the_file(tmp_path: Path, make_record: Make, sign: int) -> None:
    affine = np.array([[0, -0.3 * sign, 0, 12.0], [0.7, 0, 0, -30.0], [0, 0, 2.0, 5.0], [0, 0, 0, 1.0]])
    file = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((60, 80, 1), dtype=np.float32), affine), file)
    loaded = LoadAnyImaged("image")({"image": str(file)})["image"].meta["original_affine"]
    rows = tuple(tuple(map(float, row)) for row in np.asarray(loaded))
    record = make_record(file, affine=rows, spacing_mm=(0.7, 0.3))
    found = positions(written(record, tmp_path))
    assert np.allclose(found, shown_by_itk(file, record.points_px), atol=1e-3)
    assert np.ptp(found, axis=0)[:2].min() > 1  # not all in one place


def test_a_radiograph_starts_at_the_origin(tmp_path: Path, make_record: Make, write_dicom: Callable[..., Any]) -> None:
    file = tmp_path / "a.dcm"
    write_dicom(file, ImagerPixelSpacing=[0.25, 0.5])  # rows first
    loaded = LoadAnyImaged("image")({"image": str(file)})["image"].meta["original_affine"]
    rows = tuple(tuple(map(float, row)) for row in np.asarray(loaded))
    record = make_record(file, affine=rows, spacing_mm=(0.5, 0.25))
    found = positions(written(record, tmp_path))
    assert np.allclose(found, [(x * 0.5, y * 0.25, 0) for x, y in record.points_px], atol=1e-3)
    assert np.allclose(found, shown_by_itk(file, record.points_px), atol=1e-3)


def test_a_picture_that_is_gone_still_has_its_points(tmp_path: Path, make_record: Make) -> None:
    record = make_record(tmp_path / "gone.png")
    assert np.allclose(positions(written(record, tmp_path))[:, :2], record.points_px, atol=1e-4)


def test_a_description_tells_the_radius_or_that_nothing_is_told(tmp_path: Path, make_record: Make) -> None:
    def first(**fields: object) -> str:
        record = make_record(tmp_path / "a.png", points_px=((1.0, 2.0),) * 3, **fields)
        return json.loads(markups_text(record))["markups"][0]["controlPoints"][0]["description"]

    told = {"confidence": (0.9, 0.8, 0.7), "radius_px": (12.34, 5.0, 5.0)}
    assert first(**told, spacing_mm=(0.5, 0.5)) == "confidence 0.900; 90 % within 12.3 px (6.2 mm)"
    assert first(**told).startswith("confidence 0.900; 90 % within 12.3 px; no millimetres")
    assert first(withheld=True).startswith("confidence withheld")

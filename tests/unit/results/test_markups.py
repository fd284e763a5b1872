import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from monai_degia.label_app.store.markup_labels import markup_pixels
from monai_degia.reading.file_geometry import FileGeometryd
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


RADIOGRAPHS = {
    name: f"1.2.840.10008.5.1.4.1.1.{uid}"
    for name, uid in [("CR", "1"), ("DX", "1.1"), ("MG", "1.2"), ("XA", "12.1"), ("RF", "12.2"), ("SC", "7")]
}
BODY, DETECTOR = {"PixelSpacing": [0.1, 0.15]}, {"ImagerPixelSpacing": [0.2, 0.3]}
EQUAL = {"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": [0.2, 0.3]}
SPACINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "body": BODY,
    "detector": DETECTOR,
    "calibrated": {**BODY, **DETECTOR, "PixelSpacingCalibrationType": "FIDUCIAL"},
    "differing": {**BODY, **DETECTOR},
    "magnified": {**EQUAL, "EstimatedRadiographicMagnificationFactor": 1.25},
    "distances": {**EQUAL, "DistanceSourceToDetector": 1250, "DistanceSourceToPatient": 1000},
    "film": {"NominalScannedPixelSpacing": [0.4, 0.4]},
    "aspect": {"PixelAspectRatio": [2, 1]},
    "placed": {**BODY, "ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "ImagePositionPatient": [10, -20, 30]},
}


@pytest.mark.parametrize("modality", RADIOGRAPHS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_points_lie_on_the_radiograph_in_the_viewer(
    tmp_path: Path, make_record: Make, write_dicom: Callable[..., Any], modality: str, spacing: str
) -> None:
    """Back from the physical point to the pixel by ITK itself; the millimetres of the record stay its own."""
    file = tmp_path / "a.dcm"
    write_dicom(file, SOPClassUID=RADIOGRAPHS[modality], Modality=modality, **SPACINGS[spacing])
    sample = FileGeometryd("image")(LoadAnyImaged("image")({"image": str(file)}))
    known, source = sample["image"].meta["file_spacing"], sample["image"].meta["spacing_source"]
    record = make_record(
        file,
        affine=tuple(map(tuple, sample["image"].meta["file_affine"].tolist())),
        spacing_mm=tuple(known.tolist()) if source else None,
        spacing_source=source,
    )
    markup = written(record, tmp_path)
    image = SimpleITK.ReadImage(str(file))
    index = [image.TransformPhysicalPointToContinuousIndex(place)[:2] for place in positions(markup).tolist()]
    np.testing.assert_allclose(index, record.points_px, atol=2e-3)
    pixels = markup_pixels(json.dumps({"markups": [markup]}), file, record.names)
    np.testing.assert_allclose(pixels, record.points_px, atol=2e-3)
    differs = bool(source) and not np.allclose(image.GetSpacing()[:2], known, rtol=1e-3)
    told = [point["description"] for point in markup["controlPoints"]]
    assert all((f"known {known[0]:.5g}" in text and source in text) is differs for text in told)
    assert ("millimetres of the viewer" in markup["name"]) is differs


def test_a_coronal_slice_has_its_points_where_itk_shows_it(tmp_path: Path, make_record: Make) -> None:
    affine = np.array([[-0.3, 0, 0, 12.0], [0, 2.0, 0, -30.0], [0, 0, 0.7, 5.0], [0, 0, 0, 1.0]])
    file = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((60, 1, 80), dtype=np.float32), affine), file)
    meta = LoadAnyImaged("image")({"image": str(file)})["image"].meta
    record = make_record(file, affine=tuple(map(tuple, meta["file_affine"].tolist())), spacing_mm=(0.3, 0.7))
    image = SimpleITK.ReadImage(str(file))
    found = positions(written(record, tmp_path))
    index = np.array([image.TransformPhysicalPointToContinuousIndex(place) for place in found.tolist()])
    np.testing.assert_allclose(index[:, [0, 2]], record.points_px, atol=2e-3)
    by_affine = (np.column_stack([record.points_px, np.zeros(3), np.ones(3)]) @ np.array(record.affine).T)[:, :3]
    np.testing.assert_allclose(found, by_affine * (-1, -1, 1), atol=1e-3)


def test_a_description_tells_the_radius_or_that_nothing_is_told(tmp_path: Path, make_record: Make) -> None:
    def first(**fields: object) -> str:
        record = make_record(tmp_path / "a.png", points_px=((1.0, 2.0),) * 3, **fields)
        return json.loads(markups_text(record))["markups"][0]["controlPoints"][0]["description"]

    told = {"confidence": (0.9, 0.8, 0.7), "radius_px": (12.34, 5.0, 5.0)}
    assert first(**told, spacing_mm=(0.5, 0.5)) == "confidence 0.900; 90 % within 12.3 px (6.2 mm)"
    assert first(**told).startswith("confidence 0.900; 90 % within 12.3 px; no millimetres")
    assert first(withheld=True).startswith("confidence withheld")


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_lie_on_a_tiff_that_itk_reverses(
    tmp_path: Path, make_record: Make, orientation: int, compression: str | None
) -> None:
    pixels = np.zeros((80, 60), dtype=np.uint8)
    points = ((7, 11), (50, 20), (3, 77))
    for value, (x, y) in zip((100, 150, 200), points, strict=True):
        pixels[y, x] = value
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.tif", exif=exif, compression=compression)
    found = positions(written(make_record(tmp_path / "a.tif", points_px=points), tmp_path))
    image = SimpleITK.ReadImage(str(tmp_path / "a.tif"))
    values = SimpleITK.GetArrayFromImage(image).reshape(80, 60, -1)[..., 0]
    index = [image.TransformPhysicalPointToIndex(place[:2]) for place in found.tolist()]
    assert [values[y, x] for x, y in index] == [100, 150, 200]

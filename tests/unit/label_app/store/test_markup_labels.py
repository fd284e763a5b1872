"""Labels come back to the pixels that they were written from, and nothing else passes for a label."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.markup_labels import markup_pixels, read_markups
from monai_degia.label_app.tasks.model_inference import ModelInference
from monai_degia.results.markups import MarkupsWriter
from monai_degia.results.prediction import LandmarkPrediction

Edit = Callable[[dict[str, Any]], Any]


def test_a_label_of_a_picture_comes_back_in_its_pixels(make_label: Any) -> None:
    image, label, points = make_label()
    assert np.allclose(markup_pixels(label.read_bytes(), image, HAND21), points, atol=1e-3)
    assert np.ptp(points, axis=0).min() > 20  # x and y differ, so an exchanged order would show


@pytest.mark.parametrize("orientation", [np.diag([-0.4, -0.7, 2, 1]), [[0, 0.5, 0, 7], [0.3, 0, 0, -4], [0, 0, 1, 3]]])
def test_a_label_of_nifti_follows_its_affine(tmp_path: Path, orientation: Any) -> None:
    """The way there is written down here: index to RAS by the affine, RAS to LPS by two signs."""
    affine = np.eye(4)
    affine[: len(orientation)] = orientation
    file = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.random.rand(40, 30, 1).astype(np.float32), affine), file)
    points = np.random.rand(21, 2) * (39, 29)
    ras = np.column_stack([points, np.zeros(21), np.ones(21)]) @ affine.T
    controls = [{"label": n, "position": [-x, -y, z]} for n, (x, y, z) in zip(HAND21, ras[:, :3].tolist(), strict=True)]
    text = json.dumps({"markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": controls}]})
    assert np.allclose(markup_pixels(text, file, HAND21), points, atol=1e-3)


def test_what_inference_writes_about_dicom_is_a_label_of_it(tmp_path: Path, bundle: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90), dtype=np.uint8)
    image = SimpleITK.GetImageFromArray(pixels)
    image.SetSpacing((0.2, 0.5))
    SimpleITK.WriteImage(image, str(tmp_path / "a.dcm"))
    text, entry = ModelInference(bundle / "models", bundle / "models" / "model.pt")(tmp_path / "a.dcm")
    found = markup_pixels(text, tmp_path / "a.dcm", HAND21, margin=10)
    assert np.allclose(found, list(entry["landmarks"].values()), atol=0.006)  # two decimals there
    assert entry["spacing_mm"] == [0.2, 0.5] and np.ptp(found, axis=0).min() > 1


def test_ras_and_another_order_of_points_mean_the_same(make_label: Any) -> None:
    image, label, points = make_label()
    content = json.loads(label.read_text())
    (markup,) = content["markups"]
    markup["coordinateSystem"] = "RAS"
    markup["controlPoints"].reverse()
    for control in markup["controlPoints"]:
        control["position"][:2] = [-value for value in control["position"][:2]]
    assert np.allclose(markup_pixels(json.dumps(content), image, HAND21), points, atol=1e-3)


def point(markup: dict[str, Any], index: int = 3) -> dict[str, Any]:
    return markup["controlPoints"][index]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda m: m["controlPoints"].pop(3), "lacks thumb_ip"),
        (lambda m: m["controlPoints"].append({"label": "elbow", "position": [0, 0, 0]}), "unknown elbow"),
        (lambda m: m["controlPoints"].append(point(m)), "repeats thumb_ip"),
        (lambda m: [p.update(positionStatus="undefined") for p in m["controlPoints"]], "No landmark .* is placed"),
        (lambda m: point(m).update(position=[1, 2]), "thumb_ip must be three finite numbers"),
        (lambda m: point(m).update(position=[1, float("nan"), 0]), "thumb_ip must be three finite numbers"),
        (lambda m: point(m).update(position=[1, float("inf"), 0]), "thumb_ip must be three finite numbers"),
        (lambda m: point(m).update(position=["1", 2, 0]), "thumb_ip must be three finite numbers"),
        (lambda m: point(m)["position"].__setitem__(2, 40), r"thumb_ip lies 40.0 mm off"),
        (lambda m: point(m)["position"].__setitem__(0, 300), r"1 landmarks lie outside the 96 x 96 .* thumb_ip"),
        (lambda m: point(m)["position"].__setitem__(1, -300), r"1 landmarks lie outside the 96 x 96"),
        (lambda m: m.update(coordinateSystem="IJK"), "must be LPS or RAS in mm, they are 'IJK'"),
        (lambda m: m.update(coordinateUnits="cm"), "they are 'LPS' in 'cm'"),
        (lambda m: m.update(type="ROI"), "one point list .* this one has 0"),
        (lambda m: m.pop("controlPoints"), "no list of controlPoints"),
    ],
)
def test_a_wrong_label_is_refused_with_the_reason(make_label: Any, edit: Edit, reason: str) -> None:
    image, label, _ = make_label()
    content = json.loads(label.read_text())
    edit(content["markups"][0])
    with pytest.raises(RefusedRequest, match=reason):
        markup_pixels(json.dumps(content), image, HAND21)


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: p.update(positionStatus="undefined"),
        lambda p: p.update(positionStatus="missing"),
        lambda p: p.pop("position"),
    ],
)
def test_a_landmark_that_is_not_placed_is_missing(make_label: Any, edit: Callable[[dict[str, Any]], Any]) -> None:
    image, label, points = make_label()
    content = json.loads(label.read_text())
    edit(point(content["markups"][0]))
    found = markup_pixels(json.dumps(content), image, HAND21)
    assert np.isnan(found).any(1).nonzero()[0].tolist() == [3]
    assert np.allclose(np.delete(found, 3, 0), np.delete(points, 3, 0), atol=1e-3)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"markups": 7}', '{"markups": [7]}', b"\xff\xfe\x00", "null"])
def test_what_is_no_label_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(RefusedRequest, match=r"not valid JSON|with one point list"):
        read_markups(text, HAND21)


def test_what_the_network_found_far_outside_may_be_kept(make_label: Any) -> None:
    image, label, points = make_label(shift=60.0)
    with pytest.raises(RefusedRequest, match="lie outside"):
        markup_pixels(label.read_bytes(), image, HAND21)
    assert np.allclose(markup_pixels(label.read_bytes(), image, HAND21, margin=np.inf), points, atol=1e-3)


def test_an_image_that_cannot_be_read_is_refused_by_name_alone(make_label: Any) -> None:
    image, label, _ = make_label()
    image.write_bytes(b"nothing")
    with pytest.raises(RefusedRequest, match=r"Cannot read image hand\.png") as error:
        markup_pixels(label.read_bytes(), image, HAND21)
    assert str(image.parent) not in str(error.value)


def test_spacing_given_by_the_file_is_not_given_twice(tmp_path: Path) -> None:
    """A DICOM file without position has its pixel size in the affine: one pixel, one step of it."""
    image = SimpleITK.GetImageFromArray(np.zeros((20, 20), np.uint8) + np.arange(20, dtype=np.uint8))
    image.SetSpacing((0.25, 0.25))
    file = tmp_path / "b.dcm"
    SimpleITK.WriteImage(image, str(file))
    affine = ((-0.25, 0.0, 0.0, 0.0), (0.0, -0.25, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    record = LandmarkPrediction("b.dcm", file, "b", ("a",), ((8.0, 12.0),), (20, 20), affine=affine)
    text = MarkupsWriter(tmp_path).write(record).read_text()
    assert json.loads(text)["markups"][0]["controlPoints"][0]["position"] == [2.0, 3.0, 0.0]
    assert np.allclose(markup_pixels(text, file, ["a"]), [[8.0, 12.0]])

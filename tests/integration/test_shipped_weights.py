"""Inference as it comes with the bundle, on real files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigWorkflow
from PIL import Image, ImageOps

from monai_degia.data.lists.datalist import load_datalist

BUNDLE = Path(__file__).parents[2] / "bundle"
DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.is_dir(), reason="shared data are not there")]


def infer(images: Path, output: Path, **options: object) -> dict[str, dict]:
    workflow = ConfigWorkflow(
        config_file=str(BUNDLE / "configs" / "inference.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(BUNDLE),
        dataset_dir=str(images),
        output_dir=str(output),
        **options,
    )
    workflow.initialize()
    workflow.run()
    return {entry["image"]: entry for entry in json.loads((output / "landmarks.json").read_text())}


def points(entry: dict) -> np.ndarray:
    return np.array(list(entry["landmarks"].values()))


def test_hands_of_either_side_are_found_without_being_told_which(tmp_path: Path) -> None:
    items = load_datalist(DATA / "hand_rgb_signdigits" / "landmarks.csv", where={"good": "1"})[::250]
    (tmp_path / "images").mkdir()
    for index, item in enumerate(items):
        image = Image.open(item["image"]).convert("RGB")
        image.save(tmp_path / "images" / f"{index}.png")
        ImageOps.mirror(image).save(tmp_path / "images" / f"{index}_mirrored.png")
    found = infer(tmp_path / "images", tmp_path / "found")
    assert not any(entry["mirrored"] for entry in found.values())
    errors: dict[str, list[float]] = {"as is": [], "mirrored": []}
    for index, item in enumerate(items):
        true, width = np.asarray(item["landmarks"], dtype=float), Image.open(item["image"]).width
        other = points(found[f"{index}_mirrored.png"])
        other[:, 0] = width - 1 - other[:, 0]
        for name, place in zip(errors, (points(found[f"{index}.png"]), other), strict=True):
            errors[name].append(float(np.linalg.norm(place - true, axis=1).mean() / np.ptp(true, 0).max()))
    assert all(np.median(values) < 0.04 and np.mean(values) < 0.06 for values in errors.values()), errors


def test_landmarks_of_the_dicom_hand_lie_on_it(tmp_path: Path) -> None:
    folder = DATA / "dicom_xray"
    (item,) = load_datalist(folder / "landmarks.csv", image_dir=folder, modality="xray")
    true = np.asarray(item["landmarks"], dtype=float)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "hand.dcm").symlink_to(item["image"])
    (entry,) = infer(tmp_path / "images", tmp_path / "out").values()
    assert np.linalg.norm(points(entry) - true, axis=1).mean() < 0.06 * np.ptp(true, 0).max()


def test_photographs_that_a_camera_stored_sideways(tmp_path: Path) -> None:
    items = load_datalist(DATA / "hand_rgb_signdigits" / "landmarks.csv", where={"good": "1"})[::500]
    (tmp_path / "images").mkdir()
    ways = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for index, item in enumerate(items):
        upright = Image.open(item["image"]).convert("RGB")
        upright.save(tmp_path / "images" / f"{index}.png")
        for orientation, way in ways.items():
            exif = Image.Exif()
            exif[0x0112] = orientation
            upright.transpose(way).save(tmp_path / "images" / f"{index}_{orientation}.png", exif=exif)
    found = infer(tmp_path / "images", tmp_path / "out", num_views=8)
    for index, item in enumerate(items):
        right, bottom = (side - 1 for side in Image.open(item["image"]).size)
        x, y = points(found[f"{index}.png"]).T
        for orientation, stored in {3: (right - x, bottom - y), 6: (y, right - x), 8: (bottom - y, x)}.items():
            entry = found[f"{index}_{orientation}.png"]
            np.testing.assert_allclose(points(entry), np.stack(stored, axis=1), atol=0.02)
            assert not entry["mirrored"] and entry["outside"] == found[f"{index}.png"]["outside"]

"""Points in volumes: three coordinates in every place where images have two."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.predictions import write_predictions
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations
from monai_degia.data.lists.datalist import load_datalist
from monai_degia.results.prediction import LandmarkPrediction

Save = Callable[..., Path]
#: Names that end like axes, as those of real lists do.
NAMES = ("low_z", "min_x", "centroid")
SIZE = (40, 30, 12)
SOLID = [name for name, form in ANNOTATION_FORMATS.items() if form.volumes]
FLAT = [name for name, form in ANNOTATION_FORMATS.items() if form.write and not form.volumes]


def oblique(seed: int) -> np.ndarray:
    """An affine of voxels that are no cubes, turned and mirrored in space."""
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * (0.7, 0.9, 3.0)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine


@pytest.fixture
def annotations(tmp_path: Path) -> AnnotationSet:
    rng, images = np.random.default_rng(3), []
    for seed, name in enumerate(("a.nii.gz", "sub/b.nii")):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(np.zeros(SIZE, np.float32), oblique(seed)), tmp_path / "images" / name)
        points = rng.uniform(-0.4, np.array(SIZE) - 0.6, (3, 3)).round(3)
        points[seed] = np.nan
        images.append(AnnotatedImage(name, points, np.array([False, seed == 0, False]), size=SIZE))
    return AnnotationSet(NAMES, tuple(images))


def target(folder: Path, form: str) -> Path:
    return folder / ("out" if form == "slicer" else "out.file")


@pytest.mark.parametrize("form", SOLID)
def test_points_come_back(form: str, annotations: AnnotationSet, tmp_path: Path) -> None:
    path = target(tmp_path, form)
    write_annotations(annotations, path, form, image_dir=tmp_path / "images")
    found = read_annotations(path, image_dir=tmp_path / "images", names=NAMES)
    assert found.format == form and not [image.problem for image in found.images if image.problem]
    for got, given in zip(found.images, annotations.images, strict=True):
        assert (got.image, got.size, got.occluded.tolist()) == (given.image, given.size, given.occluded.tolist())
        np.testing.assert_allclose(got.points, given.points, atol=1e-3)


def test_markups_lie_where_itk_and_the_affine_of_the_file_show_the_voxel(
    annotations: AnnotationSet, tmp_path: Path
) -> None:
    for file in write_annotations(annotations, tmp_path / "out", "slicer", image_dir=tmp_path / "images"):
        name = file.relative_to(tmp_path / "out").as_posix().removesuffix(".mrk.json")
        given = next(image for image in annotations.images if image.image == name)
        (markup,) = json.loads(file.read_text())["markups"]
        shown = SimpleITK.ReadImage(str(tmp_path / "images" / name))
        affine = nibabel.load(tmp_path / "images" / name).affine
        for point, voxel in zip(markup["controlPoints"], given.points, strict=True):
            if np.isnan(voxel).any():
                assert point["position"] is None and point["positionStatus"] == "undefined"
                continue
            expected = shown.TransformContinuousIndexToPhysicalPoint(tuple(map(float, voxel)))
            np.testing.assert_allclose(point["position"], expected, atol=1e-3)
            ras = affine[:3, :3] @ voxel + affine[:3, 3]
            np.testing.assert_allclose(point["position"], ras * (-1, -1, 1), atol=1e-3)


def test_ras_markups_and_points_between_the_slices(annotations: AnnotationSet, save: Save, tmp_path: Path) -> None:
    affine = oblique(0)
    ras = affine[:3, :3] @ (3.25, 4.5, 6.5) + affine[:3, 3]
    points = [{"id": "1", "label": "tip", "position": ras.tolist(), "positionStatus": "defined"}]
    about = {"type": "Fiducial", "coordinateSystem": "RAS", "coordinateUnits": "mm", "controlPoints": points}
    file = save({"markups": [about]}, "labels/a.mrk.json")
    (image,) = read_annotations(file, image_dir=tmp_path / "images").images
    np.testing.assert_allclose(image.points, [[3.25, 4.5, 6.5]], atol=1e-3)


def test_a_data_list_of_volumes(annotations: AnnotationSet, tmp_path: Path) -> None:
    fields = {"spacing_mm": "0.7 0.9 3", "patient": "p"}
    listed = replace(annotations, images=tuple(replace(image, fields=fields) for image in annotations.images))
    write_annotations(listed, tmp_path / "list.csv", "csv")
    first, second = load_datalist(tmp_path / "list.csv", landmarks=NAMES[::-1])
    np.testing.assert_allclose(first["landmarks"], annotations.images[0].points[::-1], atol=1e-3)
    assert first["landmarks"].dtype == np.float32 and np.isnan(second["landmarks"][1]).all()
    np.testing.assert_allclose(first["spacing"], [0.7, 0.9, 3.0])
    assert second["image"].endswith("b.nii") and first["group"] == "p"


@pytest.mark.parametrize("form", FLAT)
def test_tools_of_flat_pictures_say_so(form: str, annotations: AnnotationSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.nii\.gz has points in a volume, and .* For volumes: slicer, csv, json"):
        write_annotations(annotations, tmp_path / "out", form, image_dir=tmp_path / "images")
    assert not (tmp_path / "out").exists()


def test_predictions_for_tools_of_flat_pictures_say_so(tmp_path: Path) -> None:
    record = LandmarkPrediction("a.nii", tmp_path / "a.nii", "a", ("tip",), ((1.0, 2.0, 3.0),), SIZE)
    with pytest.raises(ValueError, match=r"a\.nii has points in a volume"):
        write_predictions([record], tmp_path / "out.json", "coco")


CSV = "image,tip_x,tip_y,tip_z,base_x,base_y,base_z\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CSV + "a.nii,1,2,3,4,5,\n", "base has only some of x, y and z"),
        (CSV + "a.nii,1,2,inf,4,5,6\n", "coordinate of tip is infinite"),
        (CSV + "a.nii,1,2,3,4,5\n", "6 cells where the header has 7"),
        ([{"image": "a", "landmarks": {"tip": [1, 2, 3], "base": [4, 5]}}], "not in a triple [x, y, z]"),
        ([{"image": "a", "landmarks": {"tip": [1, 2, 3], "base": [None, 4, 5]}}], "not in a triple [x, y, z]"),
    ],
)
def test_rows_that_cannot_be_used_say_why(text: Any, problem: str, save: Save) -> None:
    assert problem in read_annotations(save(text, "list")).images[0].problem


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ("0,0,0,7,8,9", "tip at 0/0/0; leave the cells"),
        ("5,6,7,5,6,7", r"all 2 points are at \(5, 6, 7\)"),
        ("0.1,0.2,0.9,0.3,0.4,0.5", "within 0.1 to 0.9; multiply by the sides"),
    ],
)
def test_what_cannot_be_meant_is_refused(points: str, reason: str, save: Save, annotations: AnnotationSet) -> None:
    file = save(f"{CSV}a.nii.gz,{points}\n", "list.csv")
    with pytest.raises(ValueError, match=reason):
        load_datalist(file, landmarks=("tip", "base"))


def test_columns_of_some_landmarks_alone_are_named(save: Save) -> None:
    with pytest.raises(ValueError, match=r"lacks 1 column\(s\): base_z\..*<landmark>_z of all, in volumes"):
        read_annotations(save("image,tip_x,tip_y,tip_z,base_x,base_y\na.nii,1,2,3,4,5\n", "list.csv"))


def test_a_flat_picture_has_no_depth(save: Save, tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    file = save(f"{CSV}a.png,1,2,3,4,5,6\n", "list.csv")
    with pytest.raises(ValueError, match="points have 3 coordinates, and the image is a flat picture"):
        load_datalist(file, landmarks=("tip", "base"))


def test_markups_of_flat_images_and_of_volumes_do_not_mix(
    annotations: AnnotationSet, save: Save, tmp_path: Path
) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "images" / "flat.png")
    write_annotations(annotations, tmp_path / "out", "slicer", image_dir=tmp_path / "images")
    point = {"id": "1", "label": "centroid", "position": [1, 2, 0], "positionStatus": "defined"}
    about = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": [point]}
    save({"markups": [about]}, "out/flat.mrk.json")
    problems = {i.image: i.problem for i in read_annotations(tmp_path / "out", image_dir=tmp_path / "images").images}
    assert problems["flat.png"] == "centroid has 2 coordinates, others of this file have 3"
    assert not problems["a.nii.gz"]

"""Every format that is written: what is read back is what was written, to a hundredth of a pixel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.formats.registry import ANNOTATION_FORMATS
from monai_degia.data.formats.write import write_annotations

NAMES = ("head", "left shoulder", "tail_1")
WRITTEN = [name for name, form in ANNOTATION_FORMATS.items() if form.write]
#: What a format has no place for.
WITHOUT_HIDDEN = {"deeplabcut"}
WITHOUT_SIZE = {"deeplabcut", "via"}
WITHOUT_BONES = {"csv", "labelme", "label_studio", "via", "deeplabcut", "slicer"}
FOLDERS = {"labelme", "slicer"}


@pytest.fixture
def annotations(tmp_path: Path) -> AnnotationSet:
    rng = np.random.default_rng(3)
    images = []
    for index, (name, size) in enumerate({"a.png": (64, 48), "sub/b c.png": (31, 57), "é.png": (200, 133)}.items()):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(tmp_path / "images" / name)
        points = rng.uniform(-0.4, np.array(size) - 0.6, (3, 2)).round(3)
        points[index] = np.nan
        hidden = np.zeros(3, dtype=bool)
        hidden[(index + 1) % 3] = True
        images.append(AnnotatedImage(name, points, hidden, size=size))
    return AnnotationSet(NAMES, tuple(images), bones=(("head", "left shoulder"), ("left shoulder", "tail_1")))


def target(folder: Path, form: str) -> Path:
    return folder / "out" if form in FOLDERS else folder / "out.file"


@pytest.mark.parametrize("form", WRITTEN)
def test_points_come_back(form: str, annotations: AnnotationSet, tmp_path: Path) -> None:
    images = tmp_path / "images"
    path = target(tmp_path, form)
    written = write_annotations(annotations, path, form, image_dir=images)
    assert written and all(file.is_file() for file in written)
    found = read_annotations(path, image_dir=images, names=NAMES)
    assert found.format == form and not [image.problem for image in found.images if image.problem]
    assert [image.image for image in found.images] == [image.image for image in annotations.images]
    for got, given in zip(found.images, annotations.images, strict=True):
        np.testing.assert_allclose(got.points, given.points, atol=0.01)
        if form not in WITHOUT_HIDDEN:
            assert got.occluded.tolist() == given.occluded.tolist()
        if form not in WITHOUT_SIZE:
            assert got.size == given.size
    if form not in WITHOUT_BONES:
        assert set(found.bones) == set(annotations.bones)


@pytest.mark.parametrize("form", WRITTEN)
def test_nothing_is_overwritten_unasked(form: str, annotations: AnnotationSet, tmp_path: Path) -> None:
    path = target(tmp_path, form)
    written = write_annotations(annotations, path, form, image_dir=tmp_path / "images")
    before = [file.read_bytes() for file in written]
    with pytest.raises(ValueError, match=r"exists already"):
        write_annotations(annotations.select(NAMES[::-1]), path, form, image_dir=tmp_path / "images")
    assert [file.read_bytes() for file in written] == before
    assert write_annotations(annotations, path, form, image_dir=tmp_path / "images", overwrite=True) == written


def test_images_that_cannot_be_used_are_not_written(annotations: AnnotationSet, tmp_path: Path) -> None:
    bad = replace(annotations.images[1], where="line 9", problem="5 cells")
    with pytest.raises(ValueError, match=r"1 images cannot be used: line 9 .*5 cells"):
        write_annotations(replace(annotations, images=(bad,)), tmp_path / "out.csv", "csv")
    assert not (tmp_path / "out.csv").exists()


def test_further_columns_come_back(annotations: AnnotationSet, tmp_path: Path) -> None:
    images = tuple(replace(image, fields={"patient": "p1", "spacing_mm": (0.1, 0.2)}) for image in annotations.images)
    for form, spacing in (("csv", "0.1 0.2"), ("json", [0.1, 0.2])):
        write_annotations(replace(annotations, images=images), tmp_path / form, form)
        assert dict(read_annotations(tmp_path / form).images[0].fields) == {"patient": "p1", "spacing_mm": spacing}


def test_points_survive_a_chain_of_all_formats(annotations: AnnotationSet, tmp_path: Path) -> None:
    images, found = tmp_path / "images", annotations
    for form in WRITTEN:
        path = tmp_path / f"{form}.out"
        write_annotations(found, path, form, image_dir=images)
        found = read_annotations(path, format=form, image_dir=images, names=NAMES)
    for got, given in zip(found.images, annotations.images, strict=True):
        np.testing.assert_allclose(got.points, given.points, atol=0.01)

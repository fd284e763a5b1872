"""A list names files of its own folder; any other file of the computer only where that is meant."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.digits.files import read_digits
from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.write import write_annotations
from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.published.freihand import load_onehand10k
from monai_degia.io.inside import lies_in


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "private").mkdir()
    Image.new("L", (20, 10)).save(tmp_path / "private" / "secret.png")
    return tmp_path / "private" / "secret.png"


def listed(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "list.csv").write_text(f"image,a_x,a_y\n{name},1,2\n")
    return folder / "list.csv"


@pytest.mark.parametrize("way", ["absolute", "up", "link", "linked folder"])
def test_a_list_that_leads_out_of_its_folder(secret: Path, tmp_path: Path, way: str) -> None:
    names = {"absolute": str(secret), "up": "../private/secret.png", "link": "a.png", "linked folder": "in/secret.png"}
    path = listed(tmp_path / "list", names[way])
    if way == "link":
        (path.parent / "a.png").symlink_to(secret)
    if way == "linked folder":
        (path.parent / "in").symlink_to(secret.parent)
    with pytest.raises(ValueError, match=r"line 2 .*lies in .*private, outside of .*allow_outside_files=True"):
        load_datalist(path, landmarks=["a"])
    (item,) = load_datalist(path, landmarks=["a"], allow_outside_files=True)
    assert Path(item["image"]).resolve() == secret


def test_a_folder_above_all_images_is_named(secret: Path, tmp_path: Path) -> None:
    path = listed(tmp_path / "list", str(secret))
    (item,) = load_datalist(path, landmarks=["a"], image_dir=tmp_path)
    assert item["image"] == str(secret)


def test_an_images_folder_may_be_a_link_to_another_disk(secret: Path, tmp_path: Path) -> None:
    path = listed(tmp_path / "list", "secret.png")
    (path.parent / "images").symlink_to(secret.parent)
    assert load_datalist(path, landmarks=["a"])[0]["image"] == str(path.parent / "images" / "secret.png")


def test_a_path_of_another_machine_still_finds_the_image_by_its_name(secret: Path, tmp_path: Path) -> None:
    path = listed(tmp_path / "list", "/on/another/machine/b.png")
    Image.new("L", (20, 10)).save(path.parent / "b.png")
    assert load_datalist(path, landmarks=["a"])[0]["image"] == str(path.parent / "b.png")


def test_a_name_that_no_disk_takes_is_not_found(tmp_path: Path) -> None:
    path = listed(tmp_path / "list", "x" * 5000)
    with pytest.raises(ValueError, match="image file not found"):
        load_datalist(path, landmarks=["a"])


def test_published_sets_follow_the_rule(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    hand = '{"image_id": 1, "bbox": [1, 1, 5, 5], "keypoints": [' + ", ".join(["5, 6, 2"] * 21) + "]}"
    images = f'[{{"id": 1, "file_name": "{secret}"}}]'
    (tmp_path / "set" / "a.json").write_text(f'{{"images": {images}, "annotations": [{hand}]}}')
    options = {"annotations": "a.json", "landmarks": ["wrist"]}
    with pytest.raises(ValueError, match="allow_outside_files=True"):
        load_onehand10k(tmp_path / "set", **options)
    assert load_onehand10k(tmp_path / "set", allow_outside_files=True, **options)[0]["image"] == str(secret)


def test_labels_of_digits_name_pictures_of_their_folder(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "labels.txt").write_text("../private/secret.png 3\n")
    with pytest.raises(ValueError, match="names 1 pictures outside of"):
        read_digits(tmp_path / "digits" / "labels.txt")


def test_nothing_is_written_outside_of_the_target(secret: Path, tmp_path: Path) -> None:
    image = AnnotatedImage("../private/secret.png", np.array([[1.0, 2.0]]), size=(20, 10))
    with pytest.raises(ValueError, match="outside of"):
        write_annotations(AnnotationSet(("a",), (image,)), tmp_path / "out", "labelme", image_dir=tmp_path)
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret.png"]


def test_a_folder_whose_name_begins_alike_is_another_one(tmp_path: Path) -> None:
    assert lies_in(tmp_path / "a" / "b.png", [tmp_path / "a"])
    assert not lies_in(tmp_path / "ab" / "b.png", [tmp_path / "a"])
    assert lies_in("/tmp", ["/"])

"""SLEAP's labels, written by sleap-io."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.formats.read import read_annotations

sleap_io = pytest.importorskip("sleap_io")


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    for name in "ab":
        Image.new("L", (64, 48)).save(tmp_path / f"{name}.png")
    skeleton = sleap_io.Skeleton(nodes=["head", "tail"], edges=[("head", "tail")])
    pictures = sleap_io.Video.from_filename([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    return {"skeleton": skeleton, "pictures": pictures, "tracks": [sleap_io.Track("m1"), sleap_io.Track("m2")]}


def saved(parts: dict[str, Any], path: Path, *frames: tuple[Any, int, list[tuple[Any, str]]]) -> Path:
    labelled = [
        sleap_io.LabeledFrame(
            video=video,
            frame_idx=index,
            instances=[
                getattr(sleap_io, kind).from_numpy(
                    np.array(points, dtype=float), skeleton=parts["skeleton"], track=parts["tracks"][number]
                )
                for number, (points, kind) in enumerate(instances)
            ],
        )
        for video, index, instances in frames
    ]
    sleap_io.Labels(labelled).save(str(path))
    return path


def test_pictures(parts: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(
        parts,
        tmp_path / "labels.slp",
        (parts["pictures"], 0, [([[1.5, 2], [np.nan, np.nan]], "Instance"), ([[9, 9], [9, 9]], "PredictedInstance")]),
        (parts["pictures"], 1, [([[3, 4], [5, 6]], "Instance")]),
    )
    found = read_annotations(path)
    assert found.names == ("head", "tail") and found.bones == (("head", "tail"),) and found.format == "sleap"
    assert [Path(image.image).name for image in found.images] == ["a.png", "b.png"]
    np.testing.assert_array_equal(found.images[0].points, [[1.5, 2], [np.nan, np.nan]])
    assert "predicted instance: 1" in caplog.text and found.images[1].aliases == ("b.png",)


def test_tracks_are_individuals(parts: dict[str, Any], tmp_path: Path) -> None:
    two = [([[1, 2], [3, 4]], "Instance"), ([[5, 6], [7, 8]], "Instance")]
    path = saved(parts, tmp_path / "labels.slp", (parts["pictures"], 0, two))
    assert "2 objects" in read_annotations(path).images[0].problem
    assert read_annotations(path, individual="m2").images[0].points.tolist() == [[5, 6], [7, 8]]
    with pytest.raises(ValueError, match=r"no individual 'm3'"):
        read_annotations(path, individual="m3")


def test_frames_of_a_video_have_a_problem(parts: dict[str, Any], tmp_path: Path) -> None:
    video = sleap_io.Video(filename="movie.mp4", open_backend=False)
    path = saved(parts, tmp_path / "labels.slp", (video, 7, [([[1, 2], [3, 4]], "Instance")]))
    (image,) = read_annotations(path).images
    assert image.image == "movie.mp4, frame 7" and "a frame of a video" in image.problem


def test_a_package_with_copies_of_the_pictures(parts: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "labels.slp"
    saved(parts, path, (parts["pictures"], 1, [([[1, 2], [3, 4]], "Instance")]))
    sleap_io.load_slp(str(path)).save(str(tmp_path / "labels.pkg.slp"), embed="user", verbose=False)
    (image,) = read_annotations(tmp_path / "labels.pkg.slp").images
    assert Path(image.image).name == "b.png" and not image.problem

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_degia.results.overlay import FINGER_COLORS
from monai_degia.results.overlay_files import OverlayWriter
from monai_degia.results.prediction import LandmarkPrediction

Make = Callable[..., LandmarkPrediction]
POINTS = ((10.0, 12.0), (40.0, 20.0), (30.0, 60.0))


def picture(record: LandmarkPrediction, folder: Path, **options: float) -> np.ndarray:
    return np.asarray(Image.open(OverlayWriter(folder, **options).write(record)))


@pytest.fixture
def record(tmp_path: Path, make_record: Make) -> LandmarkPrediction:
    Image.fromarray(np.full((80, 60), 60, dtype=np.uint8)).save(tmp_path / "a.png")
    return make_record(tmp_path / "a.png", points_px=POINTS)


@pytest.mark.parametrize("long_side", [400, 1024])
def test_dots_lie_on_their_pixels_whatever_the_size(record: LandmarkPrediction, tmp_path: Path, long_side: int) -> None:
    drawn = picture(record, tmp_path / "out", long_side=long_side)
    scale = long_side / 80
    assert drawn.shape[0] > long_side and drawn.shape[1] == round(60 * scale)  # a caption stands below
    for (x, y), color in zip(POINTS[1:], (FINGER_COLORS["thumb"], FINGER_COLORS["index"]), strict=True):
        column, row = int((x + 0.5) * scale), int((y + 0.5) * scale)
        assert tuple(drawn[row, column]) == color
    assert (drawn[:8, :8] == 60).all()


def test_a_photograph_stored_sideways_is_shown_upright(tmp_path: Path, make_record: Make) -> None:
    shown = np.random.default_rng(1).integers(0, 256, (80, 60), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(shown).save(tmp_path / "upright.png")
    Image.fromarray(shown).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "sideways.png", exif=exif)
    upright = make_record(tmp_path / "upright.png", points_px=POINTS)
    sideways = make_record(tmp_path / "sideways.png", points_px=tuple((y, 59 - x) for x, y in POINTS), size_px=(80, 60))
    np.testing.assert_array_equal(picture(sideways, tmp_path), picture(upright, tmp_path))


def test_a_large_image_becomes_smaller(tmp_path: Path, make_record: Make) -> None:
    Image.fromarray(np.zeros((3000, 1500, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    record = make_record(tmp_path / "a.jpg", points_px=((700.0, 900.0),) * 3, size_px=(1500, 3000))
    drawn = picture(record, tmp_path)
    assert drawn.shape[1] == 512 and tuple(drawn[307, 239]) == FINGER_COLORS["index"]


def test_a_doubtful_landmark_lets_the_image_through(
    tmp_path: Path, record: LandmarkPrediction, make_record: Make
) -> None:
    lonely = {"names": ("thumb_tip", "index_tip", "little_tip"), "points_px": POINTS}  # no bones
    sure = picture(make_record(record.file, **lonely, confidence=(0.9, 0.5, 0.9)), tmp_path)
    doubtful = picture(make_record(record.file, **lonely, confidence=(0.9, 0.49, 0.9)), tmp_path)
    (x, y), scale = POINTS[1], 1024 / 80
    middle = int((y + 0.5) * scale), int((x + 0.5) * scale)
    assert tuple(sure[middle]) == FINGER_COLORS["index"] and tuple(doubtful[middle]) == (60, 60, 60)
    ring = doubtful[middle[0], middle[1] - 20 : middle[1] + 20]
    assert (ring == FINGER_COLORS["index"]).all(1).any()
    assert (sure[:1024] != doubtful[:1024]).any(2).nonzero()[0].min() > 200  # the others are as they were
    assert (sure[1024:] != doubtful[1024:]).any(), "the caption must say what a ring is"


def test_options_and_files_that_do_not_fit_are_named(tmp_path: Path, make_record: Make) -> None:
    with pytest.raises(ValueError, match=r"long_side >= 64 and doubtful_below in \[0, 1\], got 10 and 0\.5"):
        OverlayWriter(tmp_path, long_side=10)
    with pytest.raises(ValueError, match=r"got 1024 and 1\.5"):
        OverlayWriter(tmp_path, doubtful_below=1.5)
    with pytest.raises(ValueError, match=r"Cannot read image .*gone\.png"):
        OverlayWriter(tmp_path).write(make_record(tmp_path / "gone.png"))
    assert not list(tmp_path.iterdir())


def test_a_circle_is_drawn_at_its_radius_in_the_picture(
    record: LandmarkPrediction, tmp_path: Path, make_record: Make
) -> None:
    lonely = {"names": ("thumb_tip", "index_tip", "little_tip"), "points_px": POINTS}
    bare = picture(make_record(record.file, **lonely), tmp_path, long_side=800).astype(int)
    drawn = picture(make_record(record.file, **lonely, radius_px=(6.0, 6.0, 6.0)), tmp_path, long_side=800).astype(int)
    changed = np.abs(drawn - bare).max(2)[:800] > 20
    rows, columns = np.nonzero(changed)
    centres = (np.array(POINTS) + 0.5) * 10
    distance = np.linalg.norm(np.stack([columns, rows], 1)[:, None] + 0.5 - centres, axis=2).min(1)
    assert changed.sum() > 500 and np.abs(distance - 60).max() < 4, (
        "a thin circle of six pixels of the file, and no more"
    )


def test_a_withheld_confidence_is_seen(record: LandmarkPrediction, tmp_path: Path, make_record: Make) -> None:
    lonely = {"names": ("thumb_tip", "index_tip", "little_tip"), "points_px": POINTS}
    withheld = picture(make_record(record.file, **lonely, withheld=True), tmp_path)
    doubtful = picture(make_record(record.file, **lonely, confidence=(0.1, 0.1, 0.1)), tmp_path)
    np.testing.assert_array_equal(withheld[:1024], doubtful[:1024])
    assert (withheld[1024:] != doubtful[1024:]).any(), "and the caption says why"


def test_bones_of_a_set_of_ones_own_are_drawn(tmp_path: Path, make_record: Make) -> None:
    Image.fromarray(np.full((80, 60), 60, dtype=np.uint8)).save(tmp_path / "a.png")
    named = {"names": ("apex", "notch", "base"), "points_px": POINTS}
    plain, joined = (
        picture(make_record(tmp_path / "a.png", **named, **more), tmp_path / "out", long_side=400)
        for more in ({}, {"skeleton": ((0, 2),)})
    )
    middle = [round((POINTS[0][axis] + POINTS[2][axis]) / 2 * 5) for axis in (1, 0)]
    assert tuple(plain[middle[0], middle[1]]) == (60, 60, 60) != tuple(joined[middle[0], middle[1]])


def test_the_circle_of_a_single_landmark_has_its_radius(tmp_path: Path, make_record: Make) -> None:
    Image.fromarray(np.full((80, 60), 60, dtype=np.uint8)).save(tmp_path / "a.png")
    record = make_record(tmp_path / "a.png", names=("tip",), points_px=((30.0, 40.0),), radius_px=(10.0,))
    drawn = picture(record, tmp_path / "out", long_side=400)
    row = drawn[round(40.5 * 5)].astype(int)
    ring = np.flatnonzero((row != 60).any(1))
    assert ring.min() == pytest.approx(30.5 * 5 - 50, abs=3) and ring.max() == pytest.approx(30.5 * 5 + 50, abs=3)

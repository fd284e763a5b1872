from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_degia.results import overlay
from monai_degia.results.overlay import FINGER_COLORS, draw_landmarks, save_overlay_grid

FINGERS = ("thumb", "index", "middle", "ring", "little")
HAND21 = ["wrist"] + [
    f"{f}_{j}" for f in FINGERS for j in (("cmc", "mcp", "ip", "tip") if f == "thumb" else ("mcp", "pip", "dip", "tip"))
]
HAND17 = [n for n in HAND21 if n not in ("wrist", "thumb_cmc", "middle_mcp", "ring_mcp")]


def near(picture: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    """Colour at (x, y) measured from the picture's corner."""
    return tuple(int(v) for v in picture[int(y), int(x)])


def test_image_is_transposed_and_enlarged_by_a_whole_factor() -> None:
    image = torch.zeros(3, 40, 30)
    image[0, 35:, :] = 1.0  # red at large x
    image[2, :, 25:] = 1.0  # blue at large y
    picture = draw_landmarks(image, torch.tensor([[-100.0, -100.0]]))
    assert picture.shape == (270, 360, 3) and picture.dtype == np.uint8
    assert near(picture, 355, 10) == (255, 0, 0)
    assert near(picture, 10, 265) == (0, 0, 255)
    assert near(picture, 10, 10) == (0, 0, 0)


def test_large_grey_image_keeps_its_size_and_becomes_rgb() -> None:
    picture = draw_landmarks(np.full((1, 300, 280), 0.5), np.array([[-100.0, -100.0]]))
    assert picture.shape == (280, 300, 3)
    assert (picture == 128).all()


@pytest.mark.parametrize("point", [(5, 20), (0, 0), (63, 47), (30.5, 7.25)])
def test_dot_lies_at_the_centre_of_its_pixel(point: tuple[float, float]) -> None:
    blank = torch.zeros(1, 64, 48)
    picture = draw_landmarks(blank, torch.tensor([point]), names=["thumb_tip"])
    scale = picture.shape[1] / 64
    rows, columns = np.nonzero((picture == FINGER_COLORS["thumb"]).all(2))
    inside = 4 < point[0] < 59 and 4 < point[1] < 43
    if inside:
        centre = (columns.mean() + 0.5) / scale - 0.5, (rows.mean() + 0.5) / scale - 0.5
        assert centre == pytest.approx(point, abs=0.15)
    else:
        assert near(picture, (point[0] + 0.5) * scale, (point[1] + 0.5) * scale) == FINGER_COLORS["thumb"]


def test_target_is_a_ring_joined_by_a_line() -> None:
    picture = draw_landmarks(
        torch.zeros(1, 64, 64), torch.tensor([[10.0, 32.0]]), ["index_tip"], target=torch.tensor([[50.0, 32.0]])
    )
    scale = picture.shape[0] / 64
    assert near(picture, 10.5 * scale, 32.5 * scale) == FINGER_COLORS["index"]
    assert min(near(picture, 30 * scale, 32.5 * scale)) > 200
    without = draw_landmarks(torch.zeros(1, 64, 64), torch.tensor([[10.0, 32.0]]), ["index_tip"])
    changed = np.nonzero((picture != without).any(2))[1] / scale
    assert changed.min() > 9 and 50.5 < changed.max() < 53


def test_bones_are_drawn_in_the_finger_colour_and_only_on_request() -> None:
    points = torch.tensor([[8.0, 8.0], [8.0, 56.0], [40.0, 8.0], [40.0, 56.0]])
    names = ["ring_pip", "ring_tip", "little_mcp", "little_dip"]
    drawn = draw_landmarks(torch.zeros(1, 64, 64), points, names)
    bare = draw_landmarks(torch.zeros(1, 64, 64), points, names, skeleton=False)
    scale = drawn.shape[0] / 64
    for x, finger in ((8.5, "ring"), (40.5, "little")):
        assert near(drawn, x * scale, 32 * scale) == FINGER_COLORS[finger]
        assert near(bare, x * scale, 32 * scale) == (0, 0, 0)
    assert near(drawn, 24 * scale, 32 * scale) == (0, 0, 0)


def test_bones_of_a_doubtful_landmark_are_thin_and_marks_can_be_small() -> None:
    points, names = torch.tensor([[8.0, 8.0], [8.0, 56.0]]), ["ring_pip", "ring_tip"]

    def width(**options: object) -> int:
        picture = draw_landmarks(torch.zeros(1, 64, 64), points, names, **options)
        return int((picture[picture.shape[0] // 2].max(1) > 60).sum())

    whole = width()
    assert 0 < width(doubtful=[False, True]) < whole and width(doubtful=[True, False]) < whole
    assert width(mark_size=2.0) >= 1.5 * whole


def test_a_label_that_is_missing_has_no_ring() -> None:
    points = torch.tensor([[16.0, 16.0], [48.0, 48.0]])
    target = points + 8
    both, none = (draw_landmarks(torch.zeros(1, 64, 64), points, target=t) for t in (target, target * torch.nan))
    target[1] = torch.nan
    one = draw_landmarks(torch.zeros(1, 64, 64), points, target=target)
    assert np.array_equal(none, draw_landmarks(torch.zeros(1, 64, 64), points))
    assert np.array_equal(one[:128], both[:128]) and np.array_equal(one[160:], none[160:])


def test_names_without_a_hand_get_colours_that_differ() -> None:
    points = torch.tensor([[8.0, 8.0], [24.0, 40.0], [56.0, 8.0]])
    picture = draw_landmarks(torch.zeros(1, 64, 64), points, ["sella", "nasion", "menton"])
    scale = picture.shape[0] / 64
    assert len({near(picture, *((p + 0.5) * scale).tolist()) for p in points} - {(0, 0, 0)}) == 3


def test_input_is_not_changed() -> None:
    image, points = torch.rand(3, 20, 20), torch.rand(21, 2) * 20
    before = image.clone(), points.clone()
    draw_landmarks(image, points, HAND21, target=points)
    assert torch.equal(image, before[0]) and torch.equal(points, before[1])


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_grid_places_rows_and_columns_and_leaves_nothing_else(tmp_path: Path, suffix: str) -> None:
    red, green, blue = (np.full((64, 64, 3), np.eye(3)[i] * 255, dtype=np.uint8) for i in range(3))
    path = save_overlay_grid(
        tmp_path / "new" / f"grid.{suffix}", {"photo": [red, green], "xray": [blue, None]}, ["plain", "DeGIA"], "Title"
    )
    assert [p.name for p in path.parent.iterdir()] == [f"grid.{suffix}"]
    sheet = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert sheet.shape[0] > 400 and sheet.shape[1] > 400
    place = {}
    for channel, name in enumerate("rgb"):
        pure = (np.delete(sheet, channel, 2).max(2) < 60) & (sheet[..., channel] > 200)
        place[name] = np.argwhere(pure).mean(0)
    assert place["r"][0] == pytest.approx(place["g"][0], abs=3) and place["r"][1] + 100 < place["g"][1]
    assert place["r"][1] == pytest.approx(place["b"][1], abs=3) and place["r"][0] + 100 < place["b"][0]


def test_who_reads_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    path = save_overlay_grid(tmp_path / "grid.png", {"a": [np.zeros((8, 8, 3), dtype=np.uint8)]})
    old = path.read_bytes()
    with path.open("rb") as reader:
        save_overlay_grid(path, {"b": [np.full((8, 8, 3), 255, dtype=np.uint8)]})
        assert reader.read() == old
    assert path.read_bytes() != old


def test_a_failed_write_keeps_the_old_file_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    path = save_overlay_grid(tmp_path / "grid.png", {"a": [picture]})
    old = path.read_bytes()

    def full(self: overlay.Figure, name: str, **kwargs: object) -> None:
        Path(name).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(overlay.Figure, "savefig", full)
    with pytest.raises(OSError, match="disk full"):
        save_overlay_grid(path, {"a": [picture]})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


IMAGE, POINTS = torch.zeros(1, 8, 8), torch.zeros(2, 2)
PICTURE = np.zeros((8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_landmarks(IMAGE[0], POINTS), r"image must have shape \(C, X, Y\) with C = 1 or 3, got \(8, 8\)"),
        (lambda: draw_landmarks(IMAGE.expand(2, 8, 8), POINTS), "C = 1 or 3"),
        (lambda: draw_landmarks(IMAGE + 255, POINTS), r"image must be in \[0, 1\] and finite, got \[255, 255\]"),
        (lambda: draw_landmarks(IMAGE * float("nan"), POINTS), "and finite"),
        (lambda: draw_landmarks(IMAGE, POINTS[0]), r"landmarks must have shape \(K, 2\)"),
        (lambda: draw_landmarks(IMAGE, POINTS * float("nan")), "landmarks must be finite"),
        (lambda: draw_landmarks(IMAGE, POINTS, ["wrist"]), "each of the 2 landmarks, got 1 names"),
        (lambda: draw_landmarks(IMAGE, POINTS, doubtful=[True]), "doubtful must hold a flag for each of the 2 landm"),
        (lambda: draw_landmarks(IMAGE, POINTS, target=POINTS[:1]), "target must have the shape of landmarks"),
        (lambda: save_overlay_grid("x.png", {}), "rows must all hold the same number of pictures"),
        (lambda: save_overlay_grid("x.png", {"a": [PICTURE], "b": []}), "got {'a': 1, 'b': 0}. Pad with None"),
        (lambda: save_overlay_grid("x.png", {"a": [PICTURE]}, ["p", "q"]), "column_titles must hold 1 titles"),
        (lambda: save_overlay_grid("x.docx", {"a": [PICTURE]}), "Cannot write 'x.docx': use the suffix .png"),
    ],
)
def test_wrong_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from monai_degia.data.digits.corruptions import CORRUPTIONS
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.items import load_made_digits
from monai_degia.data.digits.made_sets import MADE_SETS, make_digits
from monai_degia.data.digits.usps_like import usps_like


def stroke(*points: tuple[int, int]) -> np.ndarray:
    picture = Image.new("L", (28, 28))
    ImageDraw.Draw(picture).line(list(points), fill=255, width=3)
    return np.asarray(picture)


ELL = stroke((9, 6), (9, 20), (18, 20))
DIGITS = DigitImages(np.stack([ELL, stroke((20, 7), (8, 21)), ELL, ELL]), np.array([3, 1, 4, 1]))


def centre(image: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(image.shape)
    return np.array([(rows * image).sum(), (columns * image).sum()]) / image.sum()


def corrupted(name: str, image: np.ndarray = ELL, seed: int = 0) -> np.ndarray:
    return np.clip(CORRUPTIONS[name](image / 255, np.random.default_rng(seed)), 0, 1)


def test_the_fifteen_of_mnist_c_are_there() -> None:
    assert len(CORRUPTIONS) == 15 and list(MADE_SETS) == ["usps_like", *CORRUPTIONS]


@pytest.mark.parametrize("name", MADE_SETS)
def test_a_digit_is_a_function_of_seed_number_and_itself(name: str) -> None:
    made = make_digits(DIGITS, name)
    side = 16 if name == "usps_like" else 28
    assert made.images.shape == (4, side, side) and made.images.dtype == np.uint8
    np.testing.assert_array_equal(made.labels, DIGITS.labels)
    part = DigitImages(DIGITS.images[2:], DIGITS.labels[2:])
    np.testing.assert_array_equal(make_digits(part, name, first=2).images, made.images[2:])
    alike = [np.array_equal(a, b) for a, b in itertools.combinations(made.images[[0, 2, 3]], 2)]
    fixed = name in ("scale", "brightness", "stripe", "canny_edges")
    assert all(alike) if fixed else not all(alike), "the same digit at other places"
    other = make_digits(DIGITS, name, seed=1).images
    assert np.array_equal(other, made.images) is fixed


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_the_digit_and_leaves_most_of_it(name: str) -> None:
    out = corrupted(name)
    assert np.abs(out - ELL / 255).mean() > 0.01
    grown = ndimage.grey_dilation(ELL, (9, 9)) > 0
    assert np.ptp(out[grown]) > 0.25, "there is something to be seen where the digit was"


def test_noise_has_the_published_strength() -> None:
    even = np.full((28, 28), 128, dtype=np.uint8)
    shots = np.concatenate([CORRUPTIONS["shot_noise"](even / 255, np.random.default_rng(i)).ravel() for i in range(30)])
    assert set(np.unique(np.rint(3 * shots))) >= {0, 1, 2, 3} and abs(shots.mean() - 128 / 255) < 0.01
    assert abs(3 * shots.var() - 128 / 255) < 0.02, "a count's variance is its mean"
    hit = np.concatenate([corrupted("impulse_noise", even, i).ravel() for i in range(30)])
    assert abs((hit == 1).mean() - 0.085) < 0.01 and abs((hit == 0).mean() - 0.085) < 0.01


def test_geometry_has_the_published_size() -> None:
    bar = np.zeros((28, 28), dtype=np.uint8)
    bar[4:24, 12:16] = 255
    assert corrupted("scale", bar).sum() == pytest.approx(0.49 * bar.sum() / 255, rel=0.05)
    for name, tangent in (("rotate", np.tan(0.4)), ("shear", np.sin(0.4))):
        seen = set()
        for seed in range(8):
            out = corrupted(name, bar, seed)
            top, bottom = out.copy(), out.copy()
            top[14:], bottom[:14] = 0, 0
            down, right = centre(bottom) - centre(top)
            assert abs(right / down) == pytest.approx(tangent, abs=0.03)
            seen.add(np.sign(right / down))
        assert seen == {-1, 1}, "both ways"
    moves = {tuple(np.rint(centre(corrupted("translate", ELL, seed)) - centre(ELL / 255))) for seed in range(20)}
    assert moves == set(itertools.product((-3, 3), repeat=2))


def test_tones_by_hand() -> None:
    image = np.tile(np.array([0, 51, 102, 204], dtype=np.uint8), (28, 7))
    np.testing.assert_allclose(corrupted("brightness", image), np.minimum(image / 255 + 0.5, 1))
    stripes = corrupted("stripe", image)
    np.testing.assert_allclose(stripes[:, 7:21], image[:, 7:21] / 255)
    np.testing.assert_allclose(stripes[:, :7], 1 - image[:, :7] / 255)
    np.testing.assert_allclose(stripes[:, 21:], 1 - image[:, 21:] / 255)


def test_blurs_keep_what_there_is_of_light() -> None:
    dot = np.zeros((28, 28), dtype=np.uint8)
    dot[14, 14] = 255
    for name in ("glass_blur", "motion_blur"):
        assert corrupted(name, dot).sum() == pytest.approx(1, abs=0.01)
    trail = corrupted("motion_blur", dot)
    assert 6 < (trail > 0.01).sum() < 16, "half a Gaussian of 3 pixels"
    assert trail[:, 15:].sum() < 1e-9 or trail[:, :14].sum() < 1e-9, "to one side alone"


def test_fog_and_spatter_lie_over_the_digit() -> None:
    fog = corrupted("fog")
    assert fog.std() > 0.02 and fog[ELL == 255].mean() - fog[ELL == 0].mean() == pytest.approx(0.25, abs=0.06)
    drops = np.concatenate([corrupted("spatter", ELL, seed)[ELL == 0] for seed in range(20)])
    assert 0.02 < (drops > 0.15).mean() < 0.5 and drops.max() <= 63 / 255 + 1e-9


def test_lines_cross_the_image() -> None:
    black = np.zeros((28, 28), dtype=np.uint8)
    for seed in range(6):
        dots = corrupted("dotted_line", black, seed)
        lit = dots.max(0) > 0.5
        assert not lit[np.arange(28) % 4 < 2].any() and lit[[2, 3, 22, 23]].all()
        zigzag = corrupted("zigzag", black, seed)
        assert (zigzag.max(0)[4:20] > 0.3).all() or (zigzag[[0, -1]] > 0).any(), (
            "from side to side, or out of the image"
        )
    assert set(np.unique(corrupted("zigzag", np.full((28, 28), 3, dtype=np.uint8)))) == {1.0}, "its digit is binary"


def test_edges_are_thin_and_about_the_stroke() -> None:
    edges = corrupted("canny_edges")
    assert set(np.unique(edges)) == {0, 1}
    rows, columns = np.nonzero(edges)
    near = ndimage.grey_dilation(ELL, (5, 5)) > ndimage.grey_erosion(ELL, (5, 5))
    assert len(rows) > 40 and near[rows, columns].all()
    assert edges[8:18, 9].sum() == 0, "nothing within the stroke"


def test_usps_like_digits_fill_their_image() -> None:
    for seed in range(10):
        out = usps_like(ELL / 255, np.random.default_rng(seed))
        assert out.shape == (16, 16) and out[0].max() > 0.1 and out[-1].max() > 0.1, "from top to bottom"
        assert len(np.unique(out)) > 10, "grey between black and white"
    thick = np.mean([usps_like(ELL / 255, np.random.default_rng(seed))[8] for seed in range(10)], 0)
    assert (thick > 0.4).sum() >= 4, "a stroke of 3 in 28 is 4 and more in 16"


def test_lists_have_a_domain_a_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", images=DIGITS.images, labels=DIGITS.labels)
    cache = tmp_path / "cache"
    items = load_made_digits(tmp_path / "digits.npz", ["usps_like", "fog"], cache_dir=cache, count=2, start=1)
    assert [item["domain"] for item in items] == ["usps_like"] * 2 + ["fog"] * 2
    assert [item["name"] for item in items] == [f"{name}/test/{i}" for name in ("usps_like", "fog") for i in (1, 2)]
    assert [item["target"] for item in items] == [1, 4, 1, 4]
    np.testing.assert_array_equal(items[2]["image"][0].T, make_digits(DIGITS, "fog").images[1])
    kept = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    load_made_digits(tmp_path / "digits.npz", ["usps_like", "fog"], cache_dir=cache, count=2, start=1)
    assert len(kept) == 2 and kept == {file: file.stat().st_mtime_ns for file in cache.iterdir()}, "made once"
    with pytest.raises(ValueError, match="has 4 digits, asked for count=5"):
        load_made_digits(tmp_path / "digits.npz", ["fog"], count=5)


def test_what_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=r"Unknown set 'zig_zag'\. Did you mean 'zigzag'\?"):
        make_digits(DIGITS, "zig_zag")
    with pytest.raises(ValueError, match=r"needs grey digits \(N, 28, 28\)"):
        make_digits(DigitImages(np.ones((1, 16, 16), dtype=np.uint8), np.array([0])), "fog")
    with pytest.raises(ValueError, match="one of them is black"):
        make_digits(DigitImages(np.zeros((1, 28, 28), dtype=np.uint8), np.array([0])), "fog")
    with pytest.raises(ValueError, match="at least 0, got -1"):
        make_digits(DIGITS, "fog", seed=-1)

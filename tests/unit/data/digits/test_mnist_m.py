import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_degia.data.digits import mnist_m
from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages
from monai_degia.data.digits.mnist_m import make_mnist_m

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
#: Most of the tests are of what both recipes share, for which smaller photographs do.
grey_mnist_m = partial(make_mnist_m, recipe="grey")
RNG = np.random.default_rng(11)
PHOTOS = {"b.png": (40, 33), "a.png": (29, 28), "c.png": (30, 41)}


def digits(count: int, value: int | None = None) -> DigitImages:
    images = RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return DigitImages(images if value is None else np.full_like(images, value), np.arange(count) % 10)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, shape in PHOTOS.items():
        Image.fromarray(RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(folder / name)
    (folder / "readme.txt").write_text("no photograph")
    return folder


def all_patches(folder: Path) -> dict[bytes, tuple[str, int, int]]:
    """Every 28 x 28 patch of every photograph, and where it is."""
    return {
        np.ascontiguousarray(scene[y : y + 28, x : x + 28]).tobytes(): (name, y, x)
        for name, (height, width) in PHOTOS.items()
        for scene in [np.asarray(Image.open(folder / name))]
        for y in range(height - 27)
        for x in range(width - 27)
    }


@pytest.mark.parametrize("value", [0, 255])
def test_a_plain_digit_shows_a_patch_or_its_negative_and_all_patches_occur(photos: Path, value: int) -> None:
    made = grey_mnist_m(digits(3000, value), photos)
    patches = all_patches(photos)
    assert made.images.shape == (3000, 28, 28, 3) and made.images.dtype == np.uint8
    seen = [patches[np.abs(value - image.astype(int)).astype(np.uint8).tobytes()] for image in made.images]
    # 13 * 6 + 2 * 1 + 3 * 14 patches, first and last rows and columns among them: each photograph is as likely.
    assert len(patches) == 122 and len(set(seen)) == 122
    shares = [sum(name == other for name, _, _ in seen) / 3000 for other in PHOTOS]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.04)


def test_each_pixel_is_the_distance_of_patch_and_digit_in_each_channel(photos: Path) -> None:
    source = digits(40)
    made = grey_mnist_m(source, photos, seed=5)
    # The same draws on black digits show the patches.
    patches = grey_mnist_m(DigitImages(np.zeros_like(source.images), source.labels), photos, seed=5).images
    expected = np.abs(patches.astype(int) - source.images[..., None].astype(int))
    np.testing.assert_array_equal(made.images, expected)
    np.testing.assert_array_equal(made.labels, source.labels)
    assert (np.ptp(made.images, axis=3) > 0).mean() > 0.9, "vacuous: the photographs have no colour"


def test_the_seed_decides_and_the_first_digits_do_not_depend_on_the_rest(photos: Path) -> None:
    source = digits(50)
    first, again, other = (grey_mnist_m(source, photos, seed).images for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=(1, 2, 3)).mean() > 0.8
    part = DigitImages(source.images[:7], source.labels[:7])
    np.testing.assert_array_equal(grey_mnist_m(part, photos, 1).images, first[:7])


def test_grey_photographs_are_used_too(tmp_path: Path) -> None:
    Image.fromarray(np.full((28, 28), 90, dtype=np.uint8)).save(tmp_path / "grey.png")
    assert (grey_mnist_m(digits(2, 100), tmp_path).images == 10).all()


def test_the_cache_is_used_only_for_the_same_call(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, blend = [], mnist_m._blend

    def counted(drawn: np.ndarray, labels: np.ndarray, photos: list[Path], seed: int) -> DigitImages:
        calls.append(seed)
        return blend(drawn, labels, photos, seed)

    monkeypatch.setattr(mnist_m, "_blend", counted)
    source, cache = digits(9), tmp_path / "new" / "cache"
    fresh = grey_mnist_m(source, photos)
    assert not cache.exists()
    for expected_calls in (2, 2):
        cached = grey_mnist_m(source, photos, cache_dir=cache)
        np.testing.assert_array_equal(cached.images, fresh.images)
        np.testing.assert_array_equal(cached.labels, fresh.labels)
        assert len(calls) == expected_calls and len(list(cache.iterdir())) == 1
    changed_image, changed_label = source.images.copy(), source.labels.copy()
    changed_image[-1, 27, 27] ^= 1
    changed_label[0] = 9
    more = tmp_path / "more"
    more.mkdir()
    for photo in photos.glob("*.png"):
        (more / photo.name).write_bytes(photo.read_bytes())
    grey_mnist_m(source, more, cache_dir=cache)
    assert len(calls) == 2, "the same photographs in another place"
    (more / "a.png").rename(more / "aa.png")  # files of equal size in the same order may still be others
    others = [
        (source, photos, 1),
        (DigitImages(changed_image, source.labels), photos, 0),
        (DigitImages(source.images, changed_label), photos, 0),
        (source, more, 0),
    ]
    for count, (given, folder, seed) in enumerate(others, start=3):
        made = grey_mnist_m(given, folder, seed, cache)
        np.testing.assert_array_equal(
            made.images, blend(given.images, given.labels, sorted(folder.glob("*.png")), seed).images
        )
        np.testing.assert_array_equal(made.labels, given.labels)
        assert len(calls) == count and len(list(cache.iterdir())) == count - 1


def test_a_damaged_cache_is_made_again(photos: Path, tmp_path: Path) -> None:
    source = digits(5)
    fresh = grey_mnist_m(source, photos, cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    sound = file.read_bytes()
    file.write_bytes(sound[: len(sound) // 2])
    np.testing.assert_array_equal(grey_mnist_m(source, photos, cache_dir=tmp_path).images, fresh.images)
    assert len(file.read_bytes()) == len(sound)


def test_the_published_recipe_is_binary_and_padded(tmp_path: Path) -> None:
    """From an even patch the digit can be read back: every pixel above 0 counts as 255, with 2 pixels around it."""
    Image.new("RGB", (40, 36), (30, 60, 90)).save(tmp_path / "even.png")
    source = digits(20)
    source.images[source.images < 90] = 0
    source.images[0, 0, 0], source.images[0, 27, 27] = 1, 255  # the faintest pixel is as white as the brightest
    made = make_mnist_m(source, tmp_path)
    assert made.images.shape == (20, 32, 32, 3)
    white = (made.images == (225, 195, 165)).all(-1)
    assert (white | (made.images == (30, 60, 90)).all(-1)).all()
    np.testing.assert_array_equal(white[:, 2:30, 2:30], source.images > 0)
    assert white.sum() == (source.images > 0).sum() > 1000, "the margin shows the patch alone"


def test_the_recipes_are_kept_apart(tmp_path: Path) -> None:
    Image.fromarray(RNG.integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    source, cache = digits(3), tmp_path / "cache"
    for recipe, side in (("published", 32), ("grey", 28), ("published", 32)):
        assert make_mnist_m(source, tmp_path, cache_dir=cache, recipe=recipe).images.shape == (3, side, side, 3)
    assert len(list(cache.iterdir())) == 2


def test_wrong_digits_seeds_and_folders(photos: Path, tmp_path: Path) -> None:
    labels = np.zeros(2, dtype=np.int64)
    for shape in ((2, 32, 32), (2, 28, 28, 3)):
        with pytest.raises(ValueError, match=r"needs grey digits \(N, 28, 28\), got \(2,"):
            make_mnist_m(DigitImages(np.zeros(shape, dtype=np.uint8), labels), photos)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        make_mnist_m(digits(1), photos, -1)
    with pytest.raises(ValueError, match=r"background_dir .*nowhere is not a folder"):
        make_mnist_m(digits(1), tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no image \(.jpg.*sub-folders are not searched"):
        make_mnist_m(digits(1), tmp_path)
    with pytest.raises(ValueError, match=r"cache_dir .*readme.txt is a file"):
        grey_mnist_m(digits(1), photos, cache_dir=photos / "readme.txt")
    with pytest.raises(ValueError, match=r"Unknown recipe 'gray'\. Did you mean 'grey'\? Available: published, grey"):
        make_mnist_m(digits(1), photos, recipe="gray")


def test_photographs_that_cannot_be_used_are_named(photos: Path, tmp_path: Path) -> None:
    # Whether or not one of them would have been drawn.
    Image.new("RGB", (90, 27)).save(tmp_path / "low.png")
    Image.new("RGB", (90, 90)).save(tmp_path / "good.png")
    with pytest.raises(ValueError, match=r"low\.png has 90 x 27 pixels, at least 32 x 32 are needed"):
        make_mnist_m(digits(1), tmp_path)
    (tmp_path / "low.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"Cannot read background .*low\.png"):
        make_mnist_m(digits(1), tmp_path)
    (tmp_path / "good.png").unlink()
    (tmp_path / "low.png").write_bytes((photos / "b.png").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"Cannot read background .*low\.png"):
        make_mnist_m(digits(1), tmp_path)


@pytest.mark.skipif(not (DATA / "bsds500" / "train").is_dir(), reason="shared MNIST and BSDS500 are not there")
def test_real_mnist_m(tmp_path: Path) -> None:
    source = read_digits(DATA / "mnist")
    made = make_mnist_m(source, DATA / "bsds500" / "train", cache_dir=tmp_path)
    assert made.images.shape == (10000, 32, 32, 3)
    np.testing.assert_array_equal(made.labels, source.labels)
    padded = np.pad(source.images, ((0, 0), (2, 2), (2, 2)))
    background = padded == 0
    assert (made.images[background] != 0).mean() > 0.9, "a digit's black is replaced by a photograph"
    # White becomes the negative of a photograph: together with what is behind it, about as bright as 255 in the mean.
    white = padded > 0
    assert abs(made.images[white].mean() + made.images[background].mean() - 255) < 12
    again = make_mnist_m(source, DATA / "bsds500" / "train", cache_dir=tmp_path)
    np.testing.assert_array_equal(made.images, again.images)

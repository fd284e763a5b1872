import gzip
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from monai_degia.data.digits.files import read_digits
from monai_degia.data.digits.images import DigitImages, digit_images

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (12, 8, 6), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 8, 6, 3), dtype=np.uint8)
SQUARE = RNG.integers(0, 256, (12, 16, 16), dtype=np.uint8)
LABELS = np.array([7, 0, 9, 3, 1, 2, 8, 4, 5, 6, 0, 0])


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_idx(
    folder: Path, images: np.ndarray = GREY, labels: np.ndarray = LABELS, name: str = "t10k-{}-idx{}-ubyte"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, axes, array in (("images", 3, images), ("labels", 1, labels)):
        content = idx(array)
        (folder / name.format(kind, axes)).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name.format("images", 3)


def write_pictures(folder: Path, images: np.ndarray, inside: bool = False, split: str = "test") -> Path:
    """MNIST-M as published, in an outer folder; names do not sort like the lines."""
    inner = folder / f"mnist_m_{split}"
    inner.mkdir(parents=True)
    names = [f"{(7 * i) % 13:08d}.png" for i in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(inner / name)
    file = inner / "labels.txt" if inside else folder / f"mnist_m_{split}_labels.txt"
    file.write_text("".join(f"{name} {label}\n" for name, label in zip(names, LABELS, strict=False)))
    return file


def save_arrays(file: Path, arrays: dict[str, Any]) -> None:
    if file.suffix == ".npz":
        np.savez(file, **arrays)
    else:
        savemat(file, arrays)


def check(digits: DigitImages, images: np.ndarray, labels: np.ndarray = LABELS) -> None:
    np.testing.assert_array_equal(digits.images, images)
    np.testing.assert_array_equal(digits.labels, labels)
    assert digits.images.dtype == np.uint8 and digits.labels.dtype == np.int64 and len(digits) == len(labels)
    assert digits.images.flags.writeable and digits.images.flags.c_contiguous


@pytest.mark.parametrize("name", ["t10k-{}-idx{}-ubyte", "t10k-{}.idx{}-ubyte", "t10k-{}-idx{}-ubyte.gz"])
@pytest.mark.parametrize("inner", ["", "raw", "MNIST/raw"])
def test_idx_from_its_folder_and_from_the_file(tmp_path: Path, name: str, inner: str) -> None:
    file = write_idx(tmp_path / inner, name=name)
    write_idx(tmp_path / inner, GREY[:4] // 2, LABELS[:4], name.replace("t10k", "train"))
    check(read_digits(tmp_path), GREY)
    check(read_digits(str(file)), GREY)
    check(read_digits(tmp_path, "train"), GREY[:4] // 2, LABELS[:4])


def test_idx_of_which_only_the_labels_are_compressed(tmp_path: Path) -> None:
    file = write_idx(tmp_path)
    plain = tmp_path / "t10k-labels-idx1-ubyte"
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    check(read_digits(file), GREY)


@pytest.mark.parametrize(
    ("inside", "point_at"),
    [(False, "outer"), (False, "inner"), (False, "labels"), (True, "inner"), (True, "labels")],
)
@pytest.mark.parametrize("images", [COLOUR, GREY], ids=["colour", "grey"])
def test_pictures_with_a_label_file(tmp_path: Path, inside: bool, point_at: str, images: np.ndarray) -> None:
    labels = write_pictures(tmp_path / "mnist_m", images, inside)
    write_pictures(tmp_path / "mnist_m", 255 - images[:3], inside, split="train")
    outer = tmp_path / "mnist_m"
    check(read_digits({"outer": outer, "inner": outer / "mnist_m_test", "labels": labels}[point_at]), images)


def test_one_coloured_picture_makes_all_of_them_colour(tmp_path: Path) -> None:
    write_pictures(tmp_path, GREY)
    Image.fromarray(COLOUR[0]).save(tmp_path / "mnist_m_test" / "00000000.png")
    expected = np.repeat(GREY[..., None], 3, axis=3)
    expected[0] = COLOUR[0]
    check(read_digits(tmp_path), expected)


def test_both_parts_of_published_mnist_m_are_told_apart(tmp_path: Path) -> None:
    write_pictures(tmp_path, COLOUR)
    write_pictures(tmp_path, 255 - COLOUR[:3], split="train")
    text = tmp_path / "mnist_m_train_labels.txt"
    text.write_text("\n" + "".join(text.read_text().splitlines(keepends=True)[:3]).replace(" ", "\t"))
    check(read_digits(tmp_path, "train"), 255 - COLOUR[:3], LABELS[:3])
    check(read_digits(tmp_path, "test"), COLOUR)


ONE_HOT = np.eye(10, dtype=np.int32)[LABELS]
FRACTIONS = (SQUARE / 255).astype(np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": COLOUR, "labels": LABELS},
        {"images": COLOUR, "labels": LABELS[:, None].astype(np.uint8)},
        {"test_images": COLOUR, "test_labels": LABELS[:, None], "train_images": COLOUR[:3], "train_labels": LABELS[:3]},
        {"x_test": COLOUR, "y_test": LABELS, "x_train": COLOUR[:3], "y_train": LABELS[:3]},
        {"test": COLOUR, "label_test": ONE_HOT, "train": COLOUR[:3], "label_train": ONE_HOT[:3]},
        {"test_data": COLOUR, "test_label": LABELS.astype(np.float64), "images": GREY, "labels": LABELS},
        {"images": COLOUR.transpose(0, 3, 1, 2), "labels": LABELS},
        {"images": COLOUR.astype(np.float64), "labels": LABELS},
    ],
    ids=lambda arrays: ",".join(f"{key}{value.shape}" for key, value in arrays.items())[:60],
)
@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_named_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], suffix: str) -> None:
    file = tmp_path / f"digits{suffix}"
    save_arrays(file, arrays)
    check(read_digits(file), COLOUR)
    check(read_digits(tmp_path), COLOUR)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY[:, None], GREY),
        (GREY[..., None], GREY),
        (FRACTIONS, SQUARE),
        (FRACTIONS.reshape(12, 256), SQUARE),
        (SQUARE.reshape(12, 256), SQUARE),
        (GREY > 127, np.where(GREY > 127, 255, 0)),
        ((GREY > 127).astype(np.uint8), np.where(GREY > 127, 255, 0)),
        (GREY.astype(np.int64), GREY),
        (np.clip(GREY - 0.3, 0, None), GREY),
    ],
)
def test_layouts_and_ranges(images: np.ndarray, expected: np.ndarray) -> None:
    check(digit_images(images, LABELS, "x"), expected)


def test_svhn(tmp_path: Path) -> None:
    labels = np.where(LABELS == 0, 10, LABELS)[:, None].astype(np.uint8)
    savemat(tmp_path / "test_32x32.mat", {"X": COLOUR.transpose(1, 2, 3, 0), "y": labels})
    for other in ("train", "extra"):
        savemat(tmp_path / f"{other}_32x32.mat", {"X": 255 - COLOUR.transpose(1, 2, 3, 0), "y": labels})
    check(read_digits(tmp_path), COLOUR)
    check(read_digits(tmp_path / "train_32x32.mat", "train"), 255 - COLOUR)
    savemat(tmp_path / "test_32x32.mat", {"X": COLOUR.transpose(1, 2, 3, 0), "y": np.where(LABELS == 1, 10, LABELS)})
    with pytest.raises(ValueError, match=r"test_32x32\.mat: y holds both 0 and 10"):
        read_digits(tmp_path)


def test_syn_in_a_folder_of_both_splits(tmp_path: Path) -> None:
    """SYN comes in the form of SVHN, in files of other names."""
    for split, images in (("train", 255 - COLOUR), ("test", COLOUR)):
        savemat(tmp_path / f"synth_{split}_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": LABELS})
    check(read_digits(tmp_path, "test"), COLOUR)
    check(read_digits(tmp_path, "train"), 255 - COLOUR)


def test_usps_as_matlab_cells(tmp_path: Path) -> None:
    cells = np.empty((2, 2), dtype=object)
    cells[0, 0], cells[0, 1] = FRACTIONS[:3, None], LABELS[:3, None]
    cells[1, 0], cells[1, 1] = FRACTIONS[:, None], LABELS[:, None]
    savemat(tmp_path / "usps_28x28.mat", {"dataset": cells})
    check(read_digits(tmp_path), SQUARE)
    check(read_digits(tmp_path, "train"), SQUARE[:3], LABELS[:3])


def test_usps_as_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for split, part in (("train", slice(3)), ("test", slice(None))):
            file.create_group(split)["data"] = FRACTIONS[part].reshape(-1, 256)
            file[split]["target"] = LABELS[part]
    check(read_digits(tmp_path / "usps.h5"), SQUARE)
    check(read_digits(tmp_path, "train"), SQUARE[:3], LABELS[:3])
    (tmp_path / "cut.h5").write_bytes((tmp_path / "usps.h5").read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"cut\.h5 is no HDF5 file, or truncated"):
        read_digits(tmp_path / "cut.h5")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usps.h5").write_bytes(b"\x89HDF")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"usps\.h5 needs h5py .* pip install monai_degia\[digits\]"):
        read_digits(tmp_path / "usps.h5")


def cut(content: bytes) -> Callable[[Path], Any]:
    def write(folder: Path) -> None:
        (write_idx(folder)).write_bytes(content)

    return write


def no_labels(folder: Path) -> None:
    write_idx(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (cut(idx(GREY)[:-1]), r"t10k-images-idx3-ubyte is truncated .* 592 bytes for shape \(12, 8, 6\), it has 591"),
        (cut(idx(GREY) + b"x"), "promises 592 bytes .* it has 593"),
        (cut(idx(GREY)[:9]), "ends within its header, after 9 bytes"),
        (cut(idx(LABELS)), r"no IDX file of images: its magic number is 2049 \(labels\), expected 2051"),
        (cut(b"<html>"), "magic number is 1013478509 "),
        (cut(gzip.compress(idx(GREY))[:-9]), "truncated or damaged: gzip says"),
        (cut(gzip.compress(idx(GREY))[:40] + b"????" * 30), "truncated or damaged: gzip says"),
        (cut(gzip.compress(b"")), "t10k-images-idx3-ubyte is empty"),
        (cut(b""), "t10k-images-idx3-ubyte is empty"),
        (no_labels, "no label file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz beside"),
        (lambda folder: write_idx(folder, labels=LABELS[:-1]), r"12 images but labels of shape \(11,\)"),
        (
            lambda folder: write_idx(folder, labels=LABELS + 3),
            "3 of 12 labels are not digits .* first is 10 of image 0",
        ),
        (lambda folder: write_idx(folder, GREY[:0], LABELS[:0]), "holds no images"),
    ],
)
def test_damaged_idx(tmp_path: Path, write: Callable[[Path], Any], message: str) -> None:
    write(tmp_path)
    with pytest.raises(ValueError, match=message):
        read_digits(tmp_path)


def test_idx_files_that_are_not_those_of_images(tmp_path: Path) -> None:
    write_idx(tmp_path)
    with pytest.raises(ValueError, match=r"no IDX file of images: its magic number is 2049 .* Point at the file of im"):
        read_digits(tmp_path / "t10k-labels-idx1-ubyte")
    (tmp_path / "digits.gz").write_bytes(gzip.compress(idx(GREY)))
    with pytest.raises(ValueError, match=r"digits\.gz has no 'images' in its name"):
        read_digits(tmp_path / "digits.gz")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("00000000.png 3\nbad\n", r"mnist_m_test_labels\.txt, line 2: 'bad' is not 'filename label'"),
        ("\n00000000.png 10\n", "line 2: '00000000.png 10' is not 'filename label' with a label 0 to 9"),
        ("00000000.png x\n", "line 1"),
        ("7\n", "line 1"),
        (" \n", "has no lines"),
        (
            "00000000.png 1\nnone.png 2\n",
            "names 2 pictures, 1 of them are not in .*mnist_m_test, the first is none.png",
        ),
        ("00000000.png 1\n", "mnist_m_test holds 12 PNG files but .* names 1"),
        ("\xff\xfe", "is no text file"),
    ],
)
def test_label_files_that_do_not_fit(tmp_path: Path, lines: str, message: str) -> None:
    write_pictures(tmp_path, GREY).write_text(lines, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        read_digits(tmp_path)


def test_pictures_that_do_not_fit(tmp_path: Path) -> None:
    write_pictures(tmp_path, GREY)
    inner = tmp_path / "mnist_m_test"
    Image.fromarray(GREY[0].T).save(inner / "00000007.png")
    with pytest.raises(ValueError, match=r"00000007\.png has \(8, 6\) pixels .* the first picture \(6, 8\)"):
        read_digits(inner)
    (inner / "00000007.png").write_bytes((inner / "00000000.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"Cannot read picture .*00000007\.png"):
        read_digits(inner)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([Evil()], dtype=object), labels=LABELS)
    with pytest.raises(
        ValueError, match=r"a\.npz: array 'images' holds pickled Python objects, which are never loaded"
    ):
        read_digits(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match=r"b\.npz is no \.npz archive"):
        read_digits(tmp_path / "b.npz")


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_truncated_array_files(tmp_path: Path, suffix: str) -> None:
    file, arrays = tmp_path / f"x{suffix}", {"images": COLOUR, "labels": LABELS}
    save_arrays(file, arrays)
    file.write_bytes(file.read_bytes()[:-900])
    with pytest.raises(ValueError, match=rf"x\{suffix} is no .*truncated"):
        read_digits(file)


def test_a_damaged_array_inside_a_sound_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=COLOUR, labels=LABELS)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[300] ^= 255
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz: array 'images' cannot be read \(Bad CRC"):
        read_digits(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train_images": GREY, "train_labels": LABELS}, "holds no test digits .* It has: train_images, train_labels"),
        ({"images": GREY}, "It has: images. Known are test_images, test_labels; .*; images, labels"),
        ({"images": GREY, "labels": LABELS[1:]}, r"x.mat \(images, labels\) holds 12 images but labels of shape"),
        ({"images": GREY, "labels": LABELS - 1.0}, "3 of 12 labels .* first is -1.0 of image 1"),
        ({"images": GREY, "labels": LABELS + 0.5}, "12 of 12 labels"),
        ({"images": GREY, "labels": np.array(list("abcdefghijkl"))}, "labels are of type <U1, not numbers"),
        ({"images": GREY - 0.5, "labels": LABELS}, "image values go from -0.5 to"),
        ({"images": GREY * 257.0, "labels": LABELS}, "image values go from 0 to 6"),
        ({"images": np.full((12, 8, 8), np.nan), "labels": LABELS}, "go from nan to nan"),
        ({"images": GREY[:, :, None], "labels": LABELS}, r"images of shape \(12, 8, 1, 6\) are not known"),
        ({"images": GREY.reshape(12, 48), "labels": LABELS}, r"images of shape \(12, 48\) are not known"),
        ({"fea": GREY.reshape(12, 48), "gnd": LABELS}, "fea and gnd, which do not say"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    savemat(tmp_path / "x.mat", arrays)
    with pytest.raises(ValueError, match=message):
        read_digits(tmp_path / "x.mat")


def test_matlab_73_is_named(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"images": GREY, "labels": LABELS})
    content = bytearray((tmp_path / "x.mat").read_bytes())
    content[124:126] = b"\x00\x02"
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.mat is a MATLAB 7\.3 file. Save it with -v7"):
        read_digits(tmp_path)


def test_a_file_or_folder_named_after_the_other_split_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist_m-train.npz", images=GREY, labels=LABELS)
    labels = write_pictures(tmp_path / "m", GREY, inside=True)
    for path in (tmp_path / "mnist_m-train.npz", tmp_path):
        with pytest.raises(ValueError, match=r"mnist_m-train\.npz is named after another split than 'test'"):
            read_digits(path)
    for path in (labels, labels.parent):
        with pytest.raises(ValueError, match=r"labels\.txt is named after another split than 'train'"):
            read_digits(path, "train")
    check(read_digits(tmp_path, "train"), GREY)


def test_paths_without_digits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no .*nowhere"):
        read_digits(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="split must be one of train, test, got 'val'"):
        read_digits(tmp_path, "val")
    with pytest.raises(ValueError, match=r"holds no test digits. Looked for t10k-images-idx3-ubyte.*_labels\.txt.*npz"):
        read_digits(tmp_path)
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"a\.csv is of no known format"):
        read_digits(tmp_path / "a.csv")
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, images=GREY, labels=LABELS)
    with pytest.raises(ValueError, match=r"holds 2 files of digits: a\.npz, b\.npz\. Point at one"):
        read_digits(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (GREY.astype(np.float32), LABELS, TypeError, "uint8 images and int64 labels, got float32 and int64"),
        (GREY[:0], LABELS[:0], ValueError, "at least one image"),
        (COLOUR[..., :2], LABELS, ValueError, r"got \(12, 8, 6, 2\)"),
        (GREY, LABELS[1:], ValueError, r"12 images and labels of shape \(11,\)"),
        (GREY, LABELS + 1, ValueError, "0 to 9, got 1 to 10"),
    ],
)
def test_own_digit_images_are_checked(
    images: np.ndarray, labels: np.ndarray, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        DigitImages(images, labels)

"""What integration tests share: a Python command as a user would start it, digits, volumes."""

import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import nibabel as nib
import numpy as np
import pytest
from monai.data import create_test_image_3d
from PIL import Image

REPO = Path(__file__).parents[2]
WARM_PYTHON = Path(__file__).with_name("warm_python.py")


class RunPython(Protocol):
    """Arguments of the interpreter, a folder to start in, the exit status to expect; gives what was printed."""

    def __call__(self, *arguments: str, cwd: Path = REPO, status: int = 0) -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture(scope="session")
def warm_python() -> Iterator[Path]:
    """Socket of an interpreter that has imported everything, see warm_python.py."""
    with tempfile.TemporaryDirectory(prefix="warm") as folder:  # paths of sockets are short
        path = Path(folder) / "socket"
        server = subprocess.Popen(
            [sys.executable, str(WARM_PYTHON), str(path)],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        yield path
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def run_python(warm_python: Path) -> RunPython:
    def run(*arguments: str, cwd: Path = REPO, status: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, str(WARM_PYTHON), str(warm_python), *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-4000:]
        return done

    return run


class WriteVolumes(Protocol):
    """A folder, the side of a volume in voxels, and how many there are to train on."""

    def __call__(self, folder: Path, side: int = 16, train: int = 6) -> None: ...


class WriteDigits(Protocol):
    """A folder, and how many images of both splits."""

    def __call__(self, folder: Path, train: int = 60, test: int = 20) -> None: ...


@pytest.fixture(scope="session")
def write_digits() -> WriteDigits:
    """Digits in MNIST's own form that can be told by the row their bar is in, and two photographs for MNIST-M."""

    def write(folder: Path, train: int = 60, test: int = 20) -> None:
        noise = np.random.default_rng(0)
        (folder / "mnist").mkdir(parents=True)
        for name, count in (("train", train), ("t10k", test)):
            labels = (np.arange(count) % 10).astype(np.uint8)
            images = noise.integers(0, 40, (count, 28, 28), dtype=np.uint8)
            for image, label in zip(images, labels, strict=True):
                image[3 + 2 * label : 6 + 2 * label, 6:22] = 230
            for kind, header, values in (
                ("images-idx3", struct.pack(">IIII", 2051, count, 28, 28), images),
                ("labels-idx1", struct.pack(">II", 2049, count), labels),
            ):
                packed = gzip.compress(header + values.tobytes())
                (folder / "mnist" / f"{name}-{kind}-ubyte.gz").write_bytes(packed)
        photos = folder / "bsds500" / "train"
        photos.mkdir(parents=True)
        for name in ("a.png", "b.png"):
            Image.fromarray(noise.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(photos / name)

    return write


@pytest.fixture(scope="session")
def write_volumes() -> WriteVolumes:
    """Volumes with balls and their masks in the form of the segmentation example; the unseen ones are inverted."""

    def write(folder: Path, side: int = 16, train: int = 6) -> None:
        for name in ("images", "labels"):
            (folder / name).mkdir(parents=True)
        splits = {"source_train": train, "source_heldout": 2, "unseen_D": 2}
        names: dict[str, list[str]] = {}
        for split, count in splits.items():
            names[split] = [f"{split}{number}" for number in range(count)]
            for number, name in enumerate(names[split]):
                state = np.random.RandomState(100 * len(names) + number)
                image, label = create_test_image_3d(side, side, side, 2, side // 4, side // 6, 0.1, random_state=state)
                levels = (255 * image).clip(0, 255).astype(np.uint8)
                levels = 255 - levels if split == "unseen_D" else levels
                for kind, values in (("images", levels), ("labels", (label > 0).astype(np.uint8))):
                    nib.save(nib.Nifti1Image(values, np.eye(4)), folder / kind / f"{name}.nii.gz")
        (folder / "splits.json").write_text(json.dumps(names))

    return write

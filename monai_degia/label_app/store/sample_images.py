"""A folder of rendered radiographs to try the server on."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image

from monai_degia.data.rendered.dataset import render_hand

__all__ = ["write_sample_images"]


def write_sample_images(folder: str | Path, count: int = 6, image_size: int = 256) -> list[Path]:
    """Write rendered radiographs, every third as DICOM and the others as PNG.

    Args:
        folder: made if absent; files that are there are left alone.
        count: number of images.
        image_size: pixels on a side.

    Returns:
        The files.

    """
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for index in range(count):
        hand = render_hand("xray", (2024, index), image_size)
        path = folder / f"hand_{index:02d}{'.dcm' if index % 3 == 2 else '.png'}"
        if not path.exists() and path.suffix == ".png":
            Image.fromarray(hand.image).save(path)
        elif not path.exists():
            _write_dicom(path, hand.image, hand.spacing_mm)
        files.append(path)
    return files


def _write_dicom(path: Path, pixels: np.ndarray, spacing_mm: float) -> None:
    image = SimpleITK.GetImageFromArray(pixels)
    image.SetSpacing((spacing_mm, spacing_mm))
    image.SetMetaData("0008|0060", "DX")
    SimpleITK.WriteImage(image, str(path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write rendered radiographs of hands.")
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=6)
    arguments = parser.parse_args()
    write_sample_images(arguments.folder, arguments.count)

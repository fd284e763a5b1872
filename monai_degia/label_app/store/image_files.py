"""What is asked of an image file before anything decodes it."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel
from PIL import Image

from monai_degia.io.suffixes import IMAGE_SUFFIXES, is_dicom_file
from monai_degia.label_app.server.refusals import RefusedRequest
from monai_degia.label_app.store.inflated import check_inflated
from monai_degia.reading.xray.files import open_xray

__all__ = ["SERVED_SUFFIXES", "check_image_file", "file_patterns", "single_file"]

#: Endings that the server takes. MetaImage is left out: its header names the file of the pixels, any on the disk.
SERVED_SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".mha", ".mhd"))
_BYTES, _HEADER = 8, 1 << 20  # of a pixel, and of what stands before pixels


def file_patterns() -> list[str]:
    """Patterns of the files that a folder of studies serves, in lower and upper case."""
    return [f"*{case}" for suffix in SERVED_SUFFIXES for case in (suffix, suffix.upper())]


def check_image_file(file: str | Path, max_pixels: int) -> None:
    """Refuse a file that is no image, or too large an image, by its header alone.

    Args:
        file: the image.
        max_pixels: largest number of pixels, of all frames together.

    Raises:
        RefusedRequest: 404 if there is no such file, 413 if it has more pixels, 415 if its ending is not served, 422 if
            it is not what its ending says.

    """
    path = Path(file)
    if not path.is_file():
        raise RefusedRequest(f"There is no image {path.name}.", 404)
    check_inflated(path, _BYTES * max_pixels + _HEADER)
    try:
        shape = _shape(path)
    except RefusedRequest:
        raise
    except Image.DecompressionBombError as error:
        raise RefusedRequest(f"{path.name} is too large: {error} Reduce or crop it.", 413) from None
    except Exception as error:  # a damaged header fails in as many ways as there are libraries
        reason = " ".join(str(error).replace(str(path), path.name).split())[:300]
        named = reason.startswith(path.name)
        raise RefusedRequest(reason if named else f"{path.name} cannot be read: {reason}") from None
    if math.prod(shape) > max_pixels:
        sides = " x ".join(map(str, shape))
        raise RefusedRequest(
            f"{path.name} has {sides} pixels, more than the {max_pixels} that this server takes. Reduce or crop it, or "
            "start the server with --conf max_pixels NUMBER.",
            413,
        )


def _shape(path: Path) -> tuple[int, ...]:
    name = path.name.lower()
    if is_dicom_file(path):
        tags = open_xray(path, stop_before_pixels=True)
        sides = (tags.get("Columns"), tags.get("Rows"), tags.get("NumberOfFrames") or 1)
        return tuple(int(side or 0) for side in sides)
    if not name.endswith(SERVED_SUFFIXES):
        raise RefusedRequest(f"{path.name} is of no kind that is served: {', '.join(SERVED_SUFFIXES)}.", 415)
    if name.endswith((".nii", ".nii.gz")):
        return tuple(int(side) for side in nibabel.load(path).shape)  # type: ignore[attr-defined]
    with Image.open(path) as header:
        return header.size


def single_file(path: str | Path, instance: str = "") -> Path:
    """The image file meant by a path that may be the folder of a DICOM series.

    Args:
        path: a file, or a folder with a file an instance, named by its SOPInstanceUID.
        instance: SOPInstanceUID; needed if the folder has several.

    Returns:
        The file.

    Raises:
        RefusedRequest: if the choice is not clear, or there is no such instance.

    """
    path = Path(path)
    if not path.is_dir():
        return path
    files = {file.stem: file for file in sorted(path.glob("*.dcm"))}
    if instance and instance not in files:
        raise RefusedRequest(f"The series has no instance {instance}; it has {', '.join(files) or 'none'}.", 404)
    if not instance and len(files) != 1:
        raise RefusedRequest(
            f"The series has {len(files)} instances, and landmarks are of one. Name it in params: "
            f'{{"instance": "SOPInstanceUID"}}, one of {", ".join(files) or "none"}.'
        )
    return files[instance] if instance else next(iter(files.values()))

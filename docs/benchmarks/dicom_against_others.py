"""A folder of DICOM files as this package reads them, against pydicom and SimpleITK.

    python docs/benchmarks/dicom_against_others.py FOLDER

Prints a table: a row a file that any of the three reads. `pydicom` and `ITK` are correlations of our grey values with
theirs, 1 for the same picture, negative for one that is turned over: pydicom decodes, applies modality LUT and VOI LUT
or window, and inverts MONOCHROME1; SimpleITK decodes, rescales and inverts by itself, and knows no window, so what is
clipped in ours lowers it. `off` is the median difference from pydicom's picture once both fill [0, 1], in percent.
Spacings are those of x in mm. Nothing of a header is printed but sizes, spacings and transfer syntaxes.
"""

import argparse
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK

from monai_degia import LoadAnyImaged, list_images
from monai_degia.io.suffixes import DICOM_SUFFIXES, is_dicom_file

try:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_modality_lut, apply_voi_lut

Read = tuple[np.ndarray, float | None, str]  # picture (rows, columns), mm along x, remark


def main() -> None:
    """Print the table of the folder named."""
    parser = argparse.ArgumentParser(description="Read a folder of DICOM files in three ways and compare.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| file | syntax | size | pydicom | off | ITK | mm | from | pydicom mm | ITK mm |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    counts = {"files": 0, "read": 0, "as pydicom": 0}
    for row, agreed in rows(folder):
        print(f"| {' | '.join(row)} |")
        counts["files"] += 1
        counts["read"] += row[2] != "-"
        counts["as pydicom"] += agreed
    print(", ".join(f"{name} {count}" for name, count in counts.items()))


def rows(folder: Path) -> Iterator[tuple[list[str], bool]]:
    """Cells of a row for each file, and whether ours is pydicom's picture."""
    for item in list_images(folder, DICOM_SUFFIXES):
        file = Path(item["image"])
        if not is_dicom_file(file):
            continue
        ours, by_pydicom, by_itk = (attempt(read, file) for read in (read_here, read_by_pydicom, read_by_itk))
        if all(isinstance(found, str) for found in (ours, by_pydicom, by_itk)):
            continue
        here = None if isinstance(ours, str) else ours
        size = "-" if here is None else f"{here[0].shape[1]} x {here[0].shape[0]}"
        correlations = [correlation(here, other) for other in (by_pydicom, by_itk)]
        cells = [file.relative_to(folder).as_posix(), syntax(file), size, correlations[0], off(here, by_pydicom)]
        cells += [correlations[1], mm(ours), here[2] if here else str(ours), mm(by_pydicom), mm(by_itk)]
        yield cells, correlations[0] not in ("-", "other size") and float(correlations[0]) > 0.999


def attempt(read: Callable[[Path], Read], file: Path) -> Read | str:
    """What a reader gives, or the kind of its error."""
    try:
        return read(file)
    except Exception as error:  # what each reader raises is what is to be seen
        return type(error).__name__


def read_here(file: Path) -> Read:
    """By this package."""
    image = LoadAnyImaged("image")({"image": str(file)})["image"]
    source = image.meta["spacing_source"]
    return image.numpy()[0].T, float(image.affine[:, 0].norm()) if source else None, source or "-"


def read_by_pydicom(file: Path) -> Read:
    """By pydicom's own functions, the first frame."""
    dataset = pydicom.dcmread(file, force=True)
    pixels = dataset.pixel_array
    pixels = pixels[0] if int(dataset.get("NumberOfFrames") or 1) > 1 else pixels
    pixels = pixels[..., 1] if pixels.ndim == 3 else pixels
    grey = apply_voi_lut(apply_modality_lut(pixels, dataset), dataset).astype(float)
    grey = -grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey
    spacing = dataset.get("PixelSpacing")
    return grey, float(spacing[1]) if spacing else None, ""


def read_by_itk(file: Path) -> Read:
    """By GDCM through SimpleITK, the first frame."""
    image = SimpleITK.ReadImage(str(file), imageIO="GDCMImageIO")
    pixels = SimpleITK.GetArrayFromImage(image)[0].astype(float)
    return pixels[..., 1] if pixels.ndim == 3 else pixels, image.GetSpacing()[0], ""


def correlation(ours: Read | None, other: Read | str) -> str:
    """Of two pictures; a dash where there are not two."""
    if ours is None or isinstance(other, str):
        return "-"
    if ours[0].shape != other[0].shape:
        return "other size"
    if min(ours[0].std(), other[0].std()) == 0:
        return "1.0000" if ours[0].std() == other[0].std() else "0.0000"
    return f"{np.corrcoef(ours[0].ravel(), other[0].ravel())[0, 1]:.4f}"


def off(ours: Read | None, other: Read | str) -> str:
    """Median difference of two pictures that fill [0, 1], in percent."""
    if ours is None or isinstance(other, str) or ours[0].shape != other[0].shape:
        return "-"
    filled = [(p - p.min()) / max(float(np.ptp(p)), 1e-9) for p in (ours[0].astype(float), other[0])]
    return f"{100 * np.median(np.abs(filled[0] - filled[1])):.2f}"


def mm(found: Read | str) -> str:
    """Spacing of x."""
    return "-" if isinstance(found, str) or found[1] is None else f"{found[1]:.4g}"


def syntax(file: Path) -> str:
    """Name of the transfer syntax."""
    uid = pydicom.dcmread(file, force=True, stop_before_pixels=True).file_meta.get("TransferSyntaxUID")
    return uid.name if uid else "not told"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    main()

"""Landmarks in volumes: a list with z, NIfTI files whose axes run this way and that, results that 3D Slicer opens.

Bright bodies in noise stand for organs. Network and transforms are those of images; the number of dimensions is that of
the image size.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.data import CacheDataset, DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import (
    Compose,
    LoadImaged,
    Orientationd,
    RandAffined,
    ResizeWithPadOrCropd,
    ScaleIntensityd,
    SelectItemsd,
    Spacingd,
)
from monai.utils import set_determinism
from torch import Tensor

import monai_degia

NAMES = ("left", "right", "apex", "base", "centre")
SIZE, SPACING = (32, 32, 16), (2.0, 2.0, 4.0)


def draw(folder: Path, count: int, seed: int) -> Path:
    """Write volumes of one body each, stored in one of four orientations, and their list; give the list."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for index in range(count):
        sides, spacing = np.array((50, 50, 18)), np.array((1.1, 1.1, 3.3))
        affine = np.diag([*spacing, 1.0])
        centre, radii = sides * spacing * rng.uniform(0.4, 0.6, 3), rng.uniform((9, 7, 11), (16, 12, 19))
        world = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), -1) * spacing
        inside = (((world - centre) / radii) ** 2).sum(-1) < 1
        values = (inside + 0.3 * rng.normal(size=sides)).astype(np.float32)
        stored = nibabel.Nifti1Image(values, affine)
        target = nibabel.orientations.axcodes2ornt(("RAS", "LPS", "LAS", "PIR")[index % 4])
        stored = stored.as_reoriented(target)
        nibabel.save(stored, folder / "images" / f"{index}.nii.gz")
        ends = np.array([(-1, 0, 0), (1, 0, 0), (0, 0, -1), (0, 0, 1), (0, 0, 0)])
        voxels = nibabel.affines.apply_affine(np.linalg.inv(stored.affine), centre + ends * radii)
        rows.append([f"{index}.nii.gz", *voxels.round(3).flatten()])
    with (folder / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *(f"{name}_{axis}" for name in NAMES for axis in "xyz")])
        writer.writerows(rows)
    return folder / "list.csv"


def preparation(*random: Any) -> Compose:
    """From an item of the list to the network's volume, with landmarks in it; one resampling for all."""
    steps = [
        LoadImaged("image", ensure_channel_first=True),
        monai_degia.LandmarksToWorldd("landmarks"),
        Orientationd("image", "RAS", labels=None),
        Spacingd("image", SPACING, mode="bilinear"),
        ResizeWithPadOrCropd("image", SIZE),
        *random,
        monai_degia.LandmarksToImaged("landmarks"),
        monai_degia.NormalizeLandmarksd("landmarks"),
        ScaleIntensityd("image"),
        monai_degia.FileGeometryd("image"),
        SelectItemsd(("image", "landmarks", "spacing")),
    ]
    return Compose(steps, lazy=True)


def tensors(batch: dict[str, Any], *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
    """Volumes (B, 1, X, Y, Z) and landmarks (B, K, 3) of a batch."""
    return batch["image"].as_subclass(Tensor), batch["landmarks"].as_subclass(Tensor)


def train(items: list[dict[str, Any]], epochs: int) -> monai_degia.LandmarkRegressor:
    """A plain loop; any MONAI trainer does as well."""
    network = monai_degia.LandmarkRegressor("lenet", len(NAMES), 1, SIZE, head="heatmap", normalize_input=True)
    loss, optimizer = monai_degia.HeatmapLoss(network.head), torch.optim.Adam(network.parameters(), 1e-3)
    moved = RandAffined("image", prob=1, rotate_range=0.1, translate_range=2, mode="bilinear", padding_mode="border")
    dataset = CacheDataset(items, preparation(moved), progress=False)
    for _ in range(epochs):
        for batch in DataLoader(dataset, batch_size=8, shuffle=True):
            volume, landmarks = tensors(batch)
            optimizer.zero_grad()
            loss(network(volume), landmarks).backward()
            optimizer.step()
    return network


def find(network: torch.nn.Module, items: list[dict[str, Any]], folder: Path, images: Path) -> float:
    """Write tables, and markups for each volume; give the mean radial error in mm."""
    writer = monai_degia.LandmarkFileWriter(folder, NAMES, image_dir=images, formats="markups")
    error = monai_degia.MeanRadialError(SIZE, SPACING, output_transform=lambda out: (out["pred"], out["label"]))
    evaluator = SupervisedEvaluator(
        torch.device("cpu"),
        DataLoader(Dataset(items, preparation()), batch_size=4),
        network,
        prepare_batch=tensors,
        decollate=False,
        key_val_metric={"error": error},
    )
    writer.attach(evaluator)
    evaluator.run()
    return float(evaluator.state.metrics["error"])


def main(folder: Path, epochs: int = 30) -> None:
    """Train, find, and compare with the mean place of each landmark, which uses no image."""
    set_determinism(0)
    known, other = (draw(folder / name, count, seed) for name, count, seed in (("known", 24, 0), ("other", 8, 1)))
    train_items, test_items = (monai_degia.load_datalist(path, landmarks=NAMES) for path in (known, other))
    found = find(train(train_items, epochs), test_items, folder / "found", folder / "other" / "images")
    places, truth = (
        torch.stack([preparation()(item)["landmarks"] for item in items]) for items in (train_items, test_items)
    )
    metric = monai_degia.MeanRadialErrorMetric(SIZE, SPACING)
    metric(places.mean(0).expand_as(truth), truth)
    print(f"found {found:.2f} mm, mean place {float(metric.aggregate()):.2f} mm")
    marked = monai_degia.read_annotations(folder / "found", image_dir=folder / "other" / "images")
    print(f"{len(marked.images)} volumes with markups of {', '.join(marked.names)} in {folder / 'found'}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary), *map(int, sys.argv[2:3]))

"""Landmarks of volumes from a list and NIfTI files to results that a viewer opens, and back."""

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
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
from torch import Tensor, nn
from torch.testing import assert_close

import monai_degia
from monai_degia.metrics.errors import radial_error
from monai_degia.networks.heads import soft_argmax

#: Columns as lists of points that are computed from masks have them; one name has no partner to change places with.
NAMES = ["low_z", "left_edge", "right_edge", "centroid"]
SIZE, SPACING = (24, 24, 20), (2.0, 2.2, 2.5)
SPREAD = 6.0  # mm, of the dot


def write_case(folder: Path, name: str, seed: int) -> np.ndarray:
    """A volume with a dot at its last landmark, in slices across another axis each time; gives the voxels of all."""
    rng = np.random.default_rng(seed)
    sides, spacing = (36 + 2 * seed, 40, 16), np.array([0.9, 1.1, 3.5 - 0.3 * seed])
    order = rng.permutation(3)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[order].T * spacing * rng.choice([-1, 1], 3)
    affine[:3, 3] = rng.uniform(-60, 60, 3)
    points = rng.uniform(0.38, 0.62, (len(NAMES), 3)) * sides
    # Round in the world, not in voxels.
    grid = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), -1)
    values = np.exp(-(((grid - points[-1]) * spacing) ** 2).sum(-1) / (2 * SPREAD**2))
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), folder / name)
    return points


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    (tmp_path / "images" / "sub").mkdir(parents=True)
    files = ["a.nii.gz", "sub/b.nii.gz", "c.nii"]
    with (tmp_path / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *(f"{name}_{axis}" for name in NAMES for axis in "xyz"), "split"])
        for seed, name in enumerate(files):
            points: Any = write_case(tmp_path / "images", name, seed).round(4).tolist()
            if seed == 1:
                points[0] = ["", "", ""]
            writer.writerow([name, *(value for point in points for value in point), "training"])
    return tmp_path


def preparation(*steps: Any, lazy: bool = True) -> Compose:
    return Compose(
        [
            LoadImaged("image", ensure_channel_first=True),
            monai_degia.LandmarksToWorldd("landmarks"),
            Orientationd("image", "RAS", labels=None),
            Spacingd("image", SPACING, mode="bilinear"),
            *steps,
            ResizeWithPadOrCropd("image", SIZE),
            ScaleIntensityd("image"),
            monai_degia.LandmarksToImaged("landmarks"),
            monai_degia.NormalizeLandmarksd("landmarks"),
            monai_degia.FileGeometryd("image"),
            SelectItemsd(("image", "landmarks", "spacing")),
        ],
        lazy=lazy,
    )


class DotFinder(nn.Module):
    """Finds the dot, to a tenth of a voxel, and says that the other landmarks lie in a row to it."""

    in_channels, image_size = 1, SIZE

    def forward(self, image: Tensor) -> Tensor:
        return soft_argmax(20 * image) + torch.linspace(-0.15, 0, len(NAMES))[:, None]


@pytest.mark.parametrize("lazy", [True, False])
def test_points_stay_on_their_dots(cases: Path, lazy: bool) -> None:
    """The dot is at the last landmark, whatever orientation, spacing and random geometry made of the volume."""
    turned = RandAffined("image", prob=1, rotate_range=0.3, translate_range=2, mode="bilinear")
    flip = monai_degia.RandFlipLandmarksd("image", "landmarks", NAMES, prob=1)
    chain = preparation(flip, turned, lazy=lazy).set_random_state(0)
    plain = preparation(lazy=lazy)
    for item in monai_degia.load_datalist(cases / "list.csv", landmarks=NAMES):
        moved, still = chain(dict(item)), plain(dict(item))
        found = DotFinder()(moved["image"].as_tensor()[None])[0, -1]
        away = radial_error(
            (found * torch.tensor(SIZE))[None, None], (moved["landmarks"][-1:] * torch.tensor(SIZE))[None], SPACING
        )
        assert away < 0.5, "mm"
        assert (moved["landmarks"] - still["landmarks"]).nan_to_num().abs().max() > 0.05, "vacuous: nothing moved"
        assert moved["landmarks"].isnan().any(1).sum() == still["landmarks"].isnan().any(1).sum()
        back = monai_degia.landmarks_to_original(
            monai_degia.denormalize_landmarks(moved["landmarks"], SIZE), moved["image"], NAMES
        )
        assert_close(back, torch.tensor(item["landmarks"]), atol=2e-3, rtol=0, equal_nan=True)


def test_results_of_a_folder_open_in_the_viewer_and_in_lists(cases: Path) -> None:
    items = monai_degia.load_datalist(cases / "list.csv", landmarks=NAMES)
    prepared = DataLoader(Dataset(items, preparation()), batch_size=2)
    writer = monai_degia.LandmarkFileWriter(
        cases / "out", NAMES, image_dir=cases / "images", model_version="dots 1", formats="markups"
    )
    pick = monai_degia.MeanRadialError(SIZE, SPACING, output_transform=lambda output: (output["pred"], output["label"]))

    def batches(batch: dict[str, Any], *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return batch["image"].as_subclass(Tensor), batch["landmarks"].as_subclass(Tensor)

    evaluator = SupervisedEvaluator(
        torch.device("cpu"), prepared, DotFinder(), prepare_batch=batches, decollate=False, key_val_metric={"mre": pick}
    )
    writer.attach(evaluator)
    evaluator.run()
    truth = {Path(item["image"]).name: item["landmarks"] for item in items}
    marked = monai_degia.read_annotations(cases / "out", image_dir=cases / "images")
    listed = monai_degia.load_datalist(cases / "out" / "landmarks.csv", landmarks=NAMES, image_dir=cases / "images")
    told = json.loads((cases / "out" / "landmarks.json").read_text())
    assert marked.names == tuple(NAMES) and len(marked.images) == len(listed) == len(told) == 3
    errors = []
    for image in marked.images:
        assert not image.problem
        spacing = nibabel.load(cases / "images" / image.image).header.get_zooms()
        label = truth[Path(image.image).name]
        # The network points at the last landmark, in a file whose axes are its own.
        assert np.linalg.norm((image.points[-1] - label[-1]) * spacing) < 0.5
        errors += np.linalg.norm((image.points - label) * spacing, axis=1).tolist()
        entry = next(entry for entry in told if entry["image"] == image.image)
        row = next(row for row in listed if row["image"].endswith(image.image))
        for index, name in enumerate(NAMES):
            np.testing.assert_allclose(entry["landmarks"][name], image.points[index], atol=0.01)
            np.testing.assert_allclose(entry["landmarks_mm"][name], image.points[index] * spacing, atol=0.01)
            np.testing.assert_allclose(row["landmarks"][index], image.points[index], atol=0.01)
        np.testing.assert_allclose(row["spacing"], spacing, rtol=1e-4)
        assert entry["image_size"] == list(nibabel.load(cases / "images" / image.image).shape)
    # What the metric measured in the network's volume is what a ruler says in the files.
    assert evaluator.state.metrics["mre"] == pytest.approx(np.nanmean(errors), abs=0.01)


def test_what_is_for_pictures_refuses_volumes_in_words(cases: Path) -> None:
    network = monai_degia.LandmarkRegressor("lenet", len(NAMES), 1, SIZE)
    with pytest.raises(ValueError, match=r"TrainedModel reads pictures .* takes \(24, 24, 20\)"):
        monai_degia.TrainedModel(network, NAMES)
    with pytest.raises(ValueError, match="Volumes are read by MONAI's LoadImaged"):
        monai_degia.LoadAnyImaged("image")({"image": cases / "images" / "a.nii.gz"})
    with pytest.raises(ValueError, match="LandmarkPreprocessing makes pictures of a size"):
        monai_degia.LandmarkPreprocessing(SIZE)
    sample = {"image": MetaTensor(torch.rand(1, *SIZE)), "landmarks": torch.rand(4, 3)}
    with pytest.raises(ValueError, match=r"RandGeometryd moves flat images .* For volumes put MONAI's RandAffined"):
        monai_degia.RandGeometryd("image")(sample)
    with pytest.raises(RuntimeError, match="FileGeometryd") as refused:
        preparation()({**monai_degia.load_datalist(cases / "list.csv", landmarks=NAMES)[0], "spacing": [1.0, 2.0]})
    assert "its spacing [1.0, 2.0] has 2 numbers. Give 3" in str(refused.value.__cause__)

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, DeleteItemsd, Resized

from monai_degia.augment.background import RandBackgroundd
from monai_degia.augment.warp import RandPoseWarpd, RandSmoothWarpd
from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.lists.splits import merge_datalists, split_datalist
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import (
    FlipMarkedd,
    LandmarksToImaged,
    LandmarksToWorldd,
    NormalizeLandmarksd,
    landmarks_to_original,
)
from monai_degia.reading.modality import MatchChannelsd, ScaleModalityd
from monai_degia.reading.preprocessing import LandmarkPreprocessing

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
SETS: dict[str, tuple[int, dict[str, Any]]] = {
    "hand_rgb_signdigits": (2019, {"where": {"good": "1"}, "class_column": "digit", "num_classes": 10}),
    "hand_depth_ntu": (699, {"modality": "depth"}),
    "hand_xray_mednist": (
        2895,
        {"modality": "xray", "where": {"good": "1"}, "mirror_where": {"thumb_on_right": "0"}},
    ),
}

pytestmark = pytest.mark.skipif(not (DATA / "hand_rgb_signdigits").is_dir(), reason="shared hand data are not there")


def load(name: str, landmarks: str = "hand21") -> list[dict[str, Any]]:
    return load_datalist(DATA / name / "landmarks.csv", landmarks=landmarks, **SETS[name][1])


@pytest.mark.parametrize("name", SETS)
def test_real_lists_load_without_special_flags(name: str) -> None:
    items = load(name)
    assert len(items) == SETS[name][0] and items[0]["domain"] == name
    assert all(item["landmarks"].shape == (21, 2) for item in items)
    assert sum(item["mirror"] for item in items) == (35 if name == "hand_xray_mednist" else 0)


def test_rows_without_labels_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        items = load_datalist(DATA / "hand_rgb_signdigits" / "landmarks.csv")
    assert sum(bool(np.isnan(item["landmarks"]).all()) for item in items) == 3
    assert "63 of 43239 labels are missing, in 3 of 2059 images" in caplog.text


def test_one_batch_of_three_modalities() -> None:
    items = merge_datalists(*[load(name, "hand17")[:4] for name in SETS])
    transform = Compose(
        [
            LoadAnyImaged("image"),
            ScaleModalityd("image"),
            MatchChannelsd("image", 3),
            LandmarksToWorldd("landmarks"),
            FlipMarkedd("image"),
            Resized("image", (64, 64), mode="bilinear"),
            LandmarksToImaged("landmarks"),
            RandSmoothWarpd("image", prob=0.5),
            RandPoseWarpd("image", landmarks="hand17", prob=0.5),
            NormalizeLandmarksd("landmarks"),
        ]
    )
    batch = next(iter(DataLoader(Dataset(items, transform), batch_size=12)))
    assert batch["image"].shape == (12, 3, 64, 64) and batch["landmarks"].shape == (12, 17, 2)
    assert batch["image"].min() >= 0 and batch["image"].max() <= 1 and torch.isfinite(batch["image"]).all()
    assert batch["landmarks"].min() > -0.1 and batch["landmarks"].max() < 1.1
    assert (batch["image"].amax((1, 2, 3)) > 0.5).all()


def test_mirrored_xrays_have_the_thumb_on_the_right_and_go_back() -> None:
    marked = [item for item in load("hand_xray_mednist") if item["mirror"]]
    chain = Compose(
        [LoadAnyImaged("image"), LandmarksToWorldd("landmarks"), FlipMarkedd("image"), LandmarksToImaged("landmarks")]
    )
    for item in marked[:10]:
        moved = chain(item)
        assert moved["landmarks"][2, 0] > moved["landmarks"][17, 0]
        back = landmarks_to_original(moved["landmarks"], moved["image"])
        assert (back - torch.as_tensor(item["landmarks"])).abs().max() < 0.02


def test_subjects_stay_together() -> None:
    items = load("hand_depth_ntu")
    parts = split_datalist(items, [0.5, 0.25, 0.25], group=r"^(P\d+)_")
    people = [{Path(item["image"]).name[:3] for item in part} for part in parts]
    assert sum(map(len, people)) == 8 and len(set.union(*people)) == 8


def test_depth_hand_is_bright_on_black() -> None:
    for item in load("hand_depth_ntu")[::100]:
        d = DeleteItemsd("class")(ScaleModalityd("image")(LoadAnyImaged("image")(item)))
        x, y = d["landmarks"].round().astype(int).clip(0, 127).T
        assert d["image"][0, 0, 0] == 0 and d["image"].max() == 1
        assert (d["image"][0, x, y] > 0.15).float().mean() > 0.7


PLAIN = {"rps_freeman": (0.8, 1.0), "fingercount": (0.5, 1.0), "rf_hands": (0.0, 0.4)}


@pytest.mark.parametrize("source", PLAIN)
def test_photographs_on_plain_grounds_get_others_and_keep_their_hands(source: str) -> None:
    items = load_datalist(DATA / "hand_rgb_more" / "landmarks.csv", where={"source": source})[:120:4]
    preprocessing = LandmarkPreprocessing((64, 64), 3, "hand21")
    samples = [preprocessing(item) for item in items]
    change = RandBackgroundd("image", prob=1.0).set_random_state(0)
    differences = [(change(sample)["image"] - sample["image"]).as_tensor().abs().amax(0) for sample in samples]
    least, most = PLAIN[source]
    assert least <= torch.stack([difference.max() > 0 for difference in differences]).float().mean() <= most
    at_joints = []
    for difference, sample in zip(differences, samples, strict=True):
        x, y = torch.as_tensor(sample["landmarks"]).round().long().clamp(0, 63).T
        at_joints.append(difference[x, y].mean())
    # Not the mean over images: a few hands that shine through would drown in it.
    assert torch.stack(at_joints).quantile(0.9) < 0.15

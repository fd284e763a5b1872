"""Random geometry of one sample: the chain of transforms that interpolates three times, and `RandGeometryd`.

Processor time on one thread, interleaved, fastest of several; the images are 64 x 64 with 21 landmarks.
"""

import time
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandAffined
from monai.utils import set_determinism

import monai_degia

REPEATS, CALLS = 5, 200
RANGES: dict[str, Any] = {
    "prob": 0.9,
    "rotate_range": 0.6,
    "shear_range": [0.15, 0.15],
    "translate_range": [5.0, 5.0],
    "scale_range": [0.25, 0.25],
    "padding_mode": "border",
}


def warps() -> list[Any]:
    """Those of the bundle."""
    return [monai_degia.RandPoseWarpd("image", prob=0.5), monai_degia.RandSmoothWarpd("image", prob=0.3)]


def milliseconds(transform: Compose, sample: dict[str, Any]) -> float:
    """Processor time a sample."""
    start = time.process_time()
    for _ in range(CALLS):
        transform({**sample, "image": sample["image"].clone()})
    return (time.process_time() - start) / CALLS * 1000


def main() -> None:
    """Print both times and their ratio."""
    torch.set_num_threads(1)
    set_determinism(0)
    sample = {
        "image": MetaTensor(torch.rand(3, 64, 64), affine=torch.eye(4)),
        "landmarks": monai_degia.render_hand("photo", seed=0).landmarks,
    }
    to_world, to_image = monai_degia.LandmarksToWorldd("landmarks"), monai_degia.LandmarksToImaged("landmarks")
    transforms = {
        "chain": Compose([to_world, RandAffined("image", mode="bilinear", **RANGES), to_image, *warps()]),
        "RandGeometryd": Compose([monai_degia.RandGeometryd("image", warps=warps(), **RANGES)]),
    }
    times: dict[str, list[float]] = {name: [] for name in transforms}
    for _ in range(REPEATS + 1):
        for name, transform in transforms.items():
            times[name].append(milliseconds(transform, sample))
    best = {name: min(values[1:]) for name, values in times.items()}
    for name, value in best.items():
        print(f"{name:14s} {value:5.2f} ms a sample")
    print(f"RandGeometryd / chain: {best['RandGeometryd'] / best['chain']:.2f}")


if __name__ == "__main__":
    main()

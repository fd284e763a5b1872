"""Random geometry: the chain of transforms that interpolates three times, `RandGeometryd`, and a batch at once.

Processor time on one thread, interleaved, fastest of several; the images are 64 x 64 with 21 landmarks, 32 a batch.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandAffined
from monai.utils import set_determinism

import monai_degia

REPEATS, CALLS, BATCH = 5, 192, 32
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


def one_by_one(transform: Compose, sample: dict[str, Any]) -> Callable[[], None]:
    """A batch of samples through a transform of samples."""

    def work() -> None:
        for _ in range(BATCH):
            transform({**sample, "image": sample["image"].clone()})

    return work


def at_once(geometry: monai_degia.RandGeometryd, sample: dict[str, Any]) -> Callable[[], None]:
    """The same batch in one call."""
    image, landmarks = sample["image"].as_tensor(), torch.as_tensor(sample["landmarks"], dtype=torch.float32)
    batch = {"image": image.expand(BATCH, -1, -1, -1), "landmarks": landmarks.expand(BATCH, -1, -1)}
    return lambda: geometry.apply_batch(batch, torch.rand(BATCH, geometry.num_draws, dtype=torch.float64)) and None


def milliseconds(work: Callable[[], None]) -> float:
    """Processor time a sample."""
    start = time.process_time()
    for _ in range(CALLS // BATCH):
        work()
    return (time.process_time() - start) / CALLS * 1000


def main() -> None:
    """Print the times and their ratios."""
    torch.set_num_threads(1)
    set_determinism(0)
    sample = {
        "image": MetaTensor(torch.rand(3, 64, 64), affine=torch.eye(4)),
        "landmarks": monai_degia.render_hand("photo", seed=0).landmarks,
    }
    to_world, to_image = monai_degia.LandmarksToWorldd("landmarks"), monai_degia.LandmarksToImaged("landmarks")
    geometry = monai_degia.RandGeometryd("image", warps=warps(), **RANGES)
    chain = Compose([to_world, RandAffined("image", mode="bilinear", **RANGES), to_image, *warps()])
    works = {
        "chain": one_by_one(chain, sample),
        "RandGeometryd": one_by_one(Compose([geometry]), sample),
        "a batch at once": at_once(geometry, sample),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEATS + 1):
        for name, work in works.items():
            times[name].append(milliseconds(work))
    best = {name: min(values[1:]) for name, values in times.items()}
    for name, value in best.items():
        print(f"{name:15s} {value:5.2f} ms a sample")
    for name in ("RandGeometryd", "a batch at once"):
        print(f"{name} / chain: {best[name] / best['chain']:.2f}")


if __name__ == "__main__":
    main()

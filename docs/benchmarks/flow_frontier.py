"""Bits a dimension against time: the flow beside small Glows of normflows, on the same photographs and one thread.

For each image side and seed, each Glow is trained for the budget. The target is the lowest held-out figure that any of
them reaches; the ratio is the budget over the time in which the flow reaches it. Times are processor seconds, those of
training steps alone. Held out are the photographs of the test split, with the noise of dequantisation.
"""

import argparse
import csv
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from monai_degia import FlowPrior, load_datalist, split_datalist

BATCH_SIZE, NUM_CLASSES = 32, 10
SPACING = 1.2  # each measurement comes after that many times the seconds of the one before
GLOWS = ["3,2,32,0.005", "3,4,32,0.005", "3,4,64,0.003"]


class Split(NamedTuple):
    """Photographs as grey levels (N, 3, X, Y), uint8, and their classes (N,)."""

    levels: Tensor
    classes: Tensor


class Point(NamedTuple):
    """What a flow had reached after some seconds of training."""

    seconds: float
    steps: int
    bits: float


Bits = Callable[[Tensor, Tensor], Tensor]  # images in [0, 1] and classes to bits a dimension (B,)


def photographs(dataset_dir: Path, side: int) -> tuple[Split, Split]:
    """Train and test split of configs/data/hands.yaml: no person is in both."""
    items = load_datalist(
        path=dataset_dir / "hand_rgb_signdigits" / "landmarks.csv",
        landmarks="hand21",
        domain="photo",
        where={"good": "1"},
        class_column="digit",
        num_classes=NUM_CLASSES,
    )
    train, _, test = split_datalist(items, fractions=[0.7, 0.15, 0.15], seed=0, group=r"IMG_(\d+)\d\d")
    return read(train, side), read(test, side)


def read(items: list[dict[str, Any]], side: int) -> Split:
    """All images of a list, resized."""
    size = (side, side)
    pictures = [Image.open(item["image"]).convert("RGB").resize(size, Image.Resampling.BILINEAR) for item in items]
    levels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
    return Split(levels.contiguous(), torch.tensor([int(item["class"]) for item in items]))


def glow(side: int, scales: int, blocks: int, hidden: int) -> tuple[nn.Module, Bits]:
    """Class-conditional multi-scale Glow of normflows, its levels ordered from coarse to fine as it wants them."""
    try:
        import normflows
    except ImportError:
        sys.exit("This compares with normflows, which is not installed: pip install normflows, or pass --only_ours.")
    levels, bases = [], []
    for depth in range(scales, 0, -1):  # squeezed so often, each time but the last giving half of its channels away
        channels, width = 3 * 2 ** (depth + 1), side // 2**depth
        levels.append(
            [*(normflows.flows.GlowBlock(channels, hidden) for _ in range(blocks)), normflows.flows.Squeeze()]
        )
        latent = (channels if depth == scales else channels // 2, width, width)
        bases.append(normflows.distributions.ClassCondDiagGaussian(latent, NUM_CLASSES))
    model = normflows.MultiscaleFlow(bases, levels, [normflows.flows.Merge() for _ in levels[1:]])
    nats = 3 * side * side * math.log(2)
    return model, lambda x, c: 8 - model.log_prob(x - 0.5, c) / nats


def dequantized(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Images in [0, 1] with uniform noise within each grey level."""
    return (levels + torch.rand(levels.shape, generator=generator)) / 256


@torch.no_grad()
def held_out(model: nn.Module, bits: Bits, split: Split) -> float:
    """Mean bits a dimension, with the same noise each time."""
    model.eval()
    generator = torch.Generator().manual_seed(7)
    parts = zip(split.levels.split(64), split.classes.split(64), strict=True)
    values = torch.cat([bits(dequantized(levels, generator), classes) for levels, classes in parts])
    model.train()
    return values.mean().item()


def train(
    model: nn.Module, bits: Bits, splits: tuple[Split, Split], budget: float, rate: float, seed: int, target: float
) -> list[Point]:
    """Adam at a constant rate until the budget is spent or the target is reached; the curve of what was held out."""
    train_split, test_split = splits
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    generator, curve, order = torch.Generator().manual_seed(seed), [], torch.empty(0, dtype=torch.long)
    seconds, steps, due = 0.0, 0, budget / SPACING**20
    while seconds < budget:
        start = time.process_time()
        if len(order) < BATCH_SIZE:
            order = torch.randperm(len(train_split.levels), generator=generator)
        batch, order = order[:BATCH_SIZE], order[BATCH_SIZE:]
        x = dequantized(train_split.levels[batch], generator)
        loss = bits(x, train_split.classes[batch]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds, steps = seconds + time.process_time() - start, steps + 1
        if seconds >= min(due, budget):
            curve.append(Point(seconds, steps, held_out(model, bits, test_split)))
            due = max(due, seconds) * SPACING
            if curve[-1].bits <= target:
                break
    return curve


def ours(side: int, splits: tuple[Split, Split], budget: float, rate: float, seed: int, target: float) -> list[Point]:
    """The curve of our flow, of the default shape."""
    torch.manual_seed(seed)
    flow = FlowPrior((side, side), 3, NUM_CLASSES)
    return train(flow, flow.bits_per_dim, splits, budget, rate, seed, target)


def show(name: str, curve: list[Point]) -> None:
    """One line: time of a step, and about six points of the curve."""
    points = curve[:: max(1, len(curve) // 6)]
    if points[-1] != curve[-1]:
        points.append(curve[-1])
    each = "  ".join(f"{point.seconds:.1f} s {point.bits:.3f}" for point in points)
    print(f"{name:<24} {1000 * curve[-1].seconds / curve[-1].steps:4.0f} ms a step | {each}", flush=True)


def compare(side: int, seed: int, options: argparse.Namespace) -> dict[str, list[Point]]:
    """All curves of one side and seed; prints them and the ratio."""
    splits = photographs(options.dataset_dir, side)
    curves: dict[str, list[Point]] = {}
    for shape in [] if options.only_ours else options.glow:
        scales, blocks, hidden, rate = shape.split(",")
        torch.manual_seed(seed)
        model, bits = glow(side, int(scales), int(blocks), int(hidden))
        name = f"Glow L{scales} K{blocks} h{hidden}"
        curves[name] = train(model, bits, splits, options.budget, float(rate), seed, -math.inf)
        show(f"{side} px, {name}", curves[name])
    target = min((point.bits for curve in curves.values() for point in curve), default=-math.inf)
    curve = curves["ours"] = ours(side, splits, options.budget, options.rate, seed, target)
    show(f"{side} px, ours", curve)
    if math.isfinite(target):
        reached = f"{options.budget / curve[-1].seconds:.1f}" if curve[-1].bits <= target else "below 1"
        print(f"{side} px, seed {seed}: {target:.3f} bits a dimension, ratio {reached}", flush=True)
    return curves


def main() -> None:
    """Compare for each side and seed; on request keep the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset_dir", type=Path, required=True, help="folder with hand_rgb_signdigits")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--budget", type=float, default=120.0, help="processor seconds for each Glow")
    parser.add_argument("--glow", nargs="+", default=GLOWS, help="scales,blocks,hidden channels,learning rate")
    parser.add_argument("--rate", type=float, default=0.01, help="learning rate of our flow")
    parser.add_argument("--only_ours", action="store_true", help="no Glow: our curve over the whole budget")
    parser.add_argument("--output", type=Path, help="CSV file for all curves")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        {"side": side, "seed": seed, "flow": name, **point._asdict()}
        for side in options.sides
        for seed in options.seeds
        for name, curve in compare(side, seed, options).items()
        for point in curve
    ]
    if options.output:
        with options.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {**row, "seconds": round(row["seconds"], 3), "bits": round(row["bits"], 4)} for row in rows
            )


if __name__ == "__main__":
    main()

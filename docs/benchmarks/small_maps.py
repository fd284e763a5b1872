"""A convolution with many weights on small maps: torch's, and the matrix product of :class:`SmallMapConv2d`.

Prints a table in milliseconds of one thread, medians: forward, and forward with backward. What is measured stands in
turn, so that a change of the processor's speed meets both.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from monai_degia.networks.small_maps import multiply_small_maps

#: Channels in and out, side of the maps that go in, stride: the last two convolutions of a ResNet-10 at 64 pixels, and
#: the last at 128.
SHAPES = [(256, 512, 4, 2), (512, 512, 2, 1), (512, 512, 4, 1)]


def forward(layer: nn.Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    """As the trainer runs it."""
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        return layer(x)


def both(layer: nn.Module, x: Tensor, dtype: torch.dtype) -> None:
    """The forward and backward pass."""
    output = forward(layer, x.detach().requires_grad_(), dtype)
    output.backward(torch.ones_like(output))


def medians(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Milliseconds of each."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 2):
        for times, work in zip(found, works, strict=True):
            start = time.perf_counter()
            work()
            times.append(1000 * (time.perf_counter() - start))
    return [statistics.median(times[2:]) for times in found]


def main() -> None:
    """Measure all shapes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=21)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print("| convolution | maps | precision | forward, torch | forward, product | with backward, torch | product |")
    print("|---|---|---|---|---|---|---|")
    for inputs, outputs, side, stride in SHAPES:
        ordinary = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        ordinary = ordinary.to(memory_format=torch.channels_last)
        product = multiply_small_maps(nn.Sequential(copy.deepcopy(ordinary)))
        for count, dtype in ((32, torch.bfloat16), (64, torch.bfloat16), (32, torch.float32), (64, torch.float32)):
            x = torch.rand(count, inputs, side, side).to(dtype).to(memory_format=torch.channels_last)
            layers = (ordinary, product)
            with torch.no_grad():
                passes = medians([partial(forward, layer, x, dtype) for layer in layers], repeats)
            steps = medians([partial(both, layer, x, dtype) for layer in layers], repeats)
            shape = f"{inputs} to {outputs}, {side} x {side}, stride {stride}"
            precision = str(dtype).removeprefix("torch.")
            print(f"| {shape} | {count} | {precision} | " + " | ".join(f"{ms:.1f}" for ms in passes + steps) + " |")


if __name__ == "__main__":
    main()

"""Cost of a training step of the flow against one of the task network, as a ratio in one run, on one thread."""

import time
from collections.abc import Callable

import torch

from monai_degia import FlowPrior, LandmarkRegressor

REPEATS = 5


def seconds(step: Callable[[], torch.Tensor]) -> float:
    """Processor time of one forward and backward pass."""
    start = time.process_time()
    step().backward()
    return time.process_time() - start


def main() -> None:
    """Print the ratio of the fastest of several interleaved passes."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = torch.rand(64, 3, 64, 64)
    network, flow = LandmarkRegressor("resnet"), FlowPrior((64, 64), 3)
    steps = {"network": lambda: network(images).square().mean(), "flow": lambda: flow.bits_per_dim(images).mean()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(REPEATS + 1):
        for name, step in steps.items():
            times[name].append(seconds(step))
    best = {name: min(values[1:]) for name, values in times.items()}
    print(f"network {best['network']:.3f} s, flow {best['flow']:.3f} s, ratio {best['flow'] / best['network']:.2f}")


if __name__ == "__main__":
    main()

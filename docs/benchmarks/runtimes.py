"""64 passes of the shipped network, as inference makes them, by several runtimes: milliseconds of one thread.

torch.compile is left out unless asked for, since it needs a C++ compiler and a minute.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_degia import OnnxNetwork, inference_copy

BUNDLE = Path(__file__).resolve().parents[2] / "bundle"


def runtimes(network: torch.nn.Module, images: torch.Tensor, with_compile: bool) -> dict[str, Callable[[], Any]]:
    """Each way to run the network on the images."""
    channels_last = images.to(memory_format=torch.channels_last)
    fast, low = inference_copy(network), inference_copy(network, torch.bfloat16)
    traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, images)))
    works: dict[str, Callable[[], Any]] = {
        "as trained": lambda: network(images),
        "as trained, channels last": lambda: network(channels_last),
        "inference_copy": lambda: fast(images),
        "inference_copy, bfloat16": lambda: low(images),
        "TorchScript, optimised": lambda: traced(images),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(network, (images,), file, verbose=False)
            exported = OnnxNetwork(file, ["CPUExecutionProvider"])
            works["ONNX Runtime"] = lambda: exported(images)
        except ImportError as error:
            print(f"ONNX Runtime is left out: {error}")
    if with_compile:
        compiled = torch.compile(network)
        works["torch.compile"] = lambda: compiled(images)
    return works


@torch.no_grad()
def main() -> None:
    """Print medians, interleaved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    config = ConfigParser(ConfigParser.load_config_file(BUNDLE / "configs" / "inference.json"))
    config.update({"bundle_root": str(BUNDLE)})
    network = config.get_parsed_content("network_def").eval()
    works = runtimes(network, torch.rand(64, 3, *network.image_size), options.compile)
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.repeats + 2):
        for name, work in works.items():
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    print("| runtime | ms |\n|---|---|")
    for name, values in times.items():
        print(f"| {name} | {1000 * statistics.median(values[2:]):.0f} |")


if __name__ == "__main__":
    main()

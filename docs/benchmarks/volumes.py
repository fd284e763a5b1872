"""Both phases on volumes of 96 x 96 x 96: seconds against their lower bounds, and the most memory that they take.

The config is that of `docs/examples/segmentation` with `degia.yaml`, on volumes that are made here. Bounds are as in
`phases.py`: of an iteration a step of the network and one of the flow; of a round the passes to the input and back,
and the forward pass of the source volumes. In processor time on one thread, interleaved, medians.
"""

import argparse
import json
import logging
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import create_test_image_3d

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "segmentation"
ITERATIONS = 2


def make_volumes(folder: Path, side: int, count: int) -> None:
    """Volumes with masks of balls, in the form of the example's data."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        state = np.random.RandomState(number)
        image, label = create_test_image_3d(side, side, side, 4, side // 5, side // 10, 0.05, random_state=state)
        levels = (image * 255).clip(0, 255).astype(np.uint8)
        for kind, values in (("images", levels), ("labels", (label > 0).astype(np.uint8))):
            nib.save(nib.Nifti1Image(values, np.eye(4)), folder / kind / f"{number}.nii.gz")
    names = [str(number) for number in range(count)]
    (folder / "splits.json").write_text(json.dumps({"source_train": names, "source_heldout": names[:1]}))


def build(folder: Path, side: int, images: int, use_checkpoint: bool) -> ConfigParser:
    """The example's engines."""
    parser = ConfigParser(ConfigParser.load_config_files([str(EXAMPLE / "train.json"), str(EXAMPLE / "degia.yaml")]))
    parser.update({"dataset_dir": str(folder), "output_dir": str(folder / "run"), "spatial_shape": [side] * 3})
    parser.update({"epoch_length": ITERATIONS, "max_epochs": 10**6, "train#handlers": []})
    parser.update({"maximizer#fraction": None, "maximizer#num_images": images, "flow#use_checkpoint": use_checkpoint})
    return parser


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def batch_of(parser: ConfigParser, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and masks of a batch as the engines see them."""
    dataset = parser.get_parsed_content("train#dataset")
    samples = [dataset.bare_sample(index) for index in range(count)]
    return torch.stack([s["image"] for s in samples]), torch.stack([s["label"] for s in samples])


def epoch(parser: ConfigParser) -> Callable[[], None]:
    """Some iterations of the trainer."""
    trainer = parser.get_parsed_content("train#trainer")

    def work() -> None:
        trainer.state.max_epochs = trainer.state.epoch + 1
        trainer.run()

    return work


def steps(parser: ConfigParser) -> Callable[[], None]:
    """As many steps of both networks without anything around them."""
    trainer = parser.get_parsed_content("train#trainer")
    image, mask = batch_of(parser, parser.get_parsed_content("batch_size"))

    def work() -> None:
        trainer.network.train(), trainer.flow.train()
        for _ in range(ITERATIONS):
            trainer.optimizer.zero_grad(set_to_none=True)
            trainer.loss_function(trainer.network(image), mask).backward()
            trainer.optimizer.step()
            trainer.flow_optimizer.zero_grad(set_to_none=True)
            trainer.flow.bits_per_dim(trainer.flow.dequantize(image)).mean().backward()
            trainer.flow_optimizer.step()

    return work


def passes(parser: ConfigParser, images: int) -> Callable[[], None]:
    """The passes of a round without anything around them."""
    maximizer = parser.get_parsed_content("maximizer")
    objective, network, flow = maximizer.ascent.objective, *map(parser.get_parsed_content, ("network", "flow"))
    image, mask = batch_of(parser, maximizer.sampler.batch_size)

    def work() -> None:
        network.eval(), flow.eval()
        for _ in range(images // len(image)):
            with torch.no_grad():
                network(image), flow(image)
            for _ in range(maximizer.ascent.steps):
                x = image.clone().requires_grad_()
                z, log_det = flow(x)
                loss = objective.task_loss(network(x), mask)
                torch.autograd.grad((loss - flow.log_prob_from_latent(z, log_det)).sum(), x)

    return work


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=96, help="voxels, a multiple of 16")
    parser.add_argument("--images", type=int, default=4, help="climbed in a round, a multiple of 4")
    parser.add_argument("--repeats", type=int, default=3, help="rounds and epochs, of which the median counts")
    parser.add_argument("--use_checkpoint", action="store_true", help="keep less of the flow's passes in memory")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        make_volumes(Path(folder) / "data", options.side, options.images)
        config = build(Path(folder) / "data", options.side, options.images, options.use_checkpoint)
        works = {
            "iteration": epoch(config),
            "steps alone": steps(config),
            "round": config.get_parsed_content("maximizer").run,
            "passes alone": passes(config, options.images),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.repeats + 1):
            for name, work in works.items():
                times[name].append(seconds(work))
    median = {name: statistics.median(all_times[1:]) for name, all_times in times.items()}
    print("| figure | value |\n|---|---|")
    print(f"| iteration of 2 volumes, s | {median['iteration'] / ITERATIONS:.2f} |")
    print(f"| iteration over its steps | {median['iteration'] / median['steps alone']:.2f} |")
    print(f"| round, s a volume | {median['round'] / options.images:.2f} |")
    print(f"| round over its passes | {median['round'] / median['passes alone']:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| most memory, GiB | {peak:.2f} |")


if __name__ == "__main__":
    main()

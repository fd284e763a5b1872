"""Images a second of both phases and of plain training on digits, and the maximisation against its lower bound.

The lower bound of a round is what cannot be saved: ascent steps times forward and backward to the input of task network
and flow, on batches of the same size. Measured in processor time on one thread, interleaved, fastest of several.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"iterations_per_epoch": 20, "max_epochs": 10**6, "max_generated": 10**5}


def build(method: str, dataset_dir: str, folder: str, images: int) -> ConfigParser:
    """The bundle's own engines under the protocol of the literature."""
    overlays = [f"digits/{name}.yaml" for name in ("task", "protocol", f"method/{method}")]
    files = [ROOT / "bundle" / "configs" / "train.json", *(ROOT / "configs" / overlay for overlay in overlays)]
    parser = ConfigParser(ConfigParser.load_config_files([str(file) for file in files]))
    parser.update(
        {
            **SETTINGS,
            "images_per_round": images,
            "source_list::count": images,
            "splits::1": "@source_list",  # nothing is validated
            "dataset_dir": dataset_dir,
            "output_dir": folder,
            "ckpt_dir": folder,
        }
    )
    parser.update({"train::handlers": [], "maximizer::handlers": []})
    return parser


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def epoch(parser: ConfigParser) -> Callable[[], None]:
    """One epoch of the trainer."""
    trainer = parser.get_parsed_content("train::trainer")

    def work() -> None:
        trainer.state.max_epochs = trainer.state.epoch + 1
        trainer.run()

    return work


def lower_bound(parser: ConfigParser, images: int) -> Callable[[], None]:
    """The passes of a round without anything around them."""
    network, flow = (parser.get_parsed_content(name).eval() for name in ("network", "flow"))
    maximizer, loss = parser.get_parsed_content("maximizer"), parser.get_parsed_content("loss")
    dtype = parser.get_parsed_content("autocast_dtype")
    image = torch.rand(maximizer.sampler.batch_size, 3, 32, 32)
    target = torch.randint(10, (len(image),))

    def work() -> None:
        for _ in range(images // len(image) * maximizer.ascent.steps):
            x = image.clone().requires_grad_()
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                prediction = network(x)
            value = loss(prediction.float(), target) - flow.log_prob(x, target).mean()
            torch.autograd.grad(value, x)

    return work


def main() -> None:
    """Print the table and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset_dir", required=True, help="folder that holds mnist/ and bsds500/train/")
    parser.add_argument("--method", default="degia_pixel", help="an overlay of configs/digits/method with a flow")
    parser.add_argument("--images", type=int, default=256, help="climbed in a round, a multiple of 64")
    parser.add_argument("--repeats", type=int, default=3, help="rounds and epochs, of which the fastest counts")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        plain = build("erm", options.dataset_dir, f"{folder}/plain", options.images)
        degia = build(options.method, options.dataset_dir, f"{folder}/degia", options.images)
        maximizer = degia.get_parsed_content("maximizer")
        works = {
            "plain training": epoch(plain),
            "minimisation": epoch(degia),
            "maximisation": maximizer.run,
            "lower bound": lower_bound(degia, options.images),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.repeats + 1):
            for name, work in works.items():
                times[name].append(seconds(work))
        stored = maximizer.dataset.num_generated
    best = {name: min(values[1:]) for name, values in times.items()}
    images = dict.fromkeys(works, options.images) | dict.fromkeys(
        ("plain training", "minimisation"), 32 * SETTINGS["iterations_per_epoch"]
    )
    if stored != (options.repeats + 1) * options.images:
        raise SystemExit(f"The rounds stored {stored} images in all: the timing is of something else.")
    for name, value in best.items():
        print(f"{name:15s} {images[name] / value:8.0f} images a second")
    print(f"maximisation / lower bound: {best['maximisation'] / best['lower bound']:.2f}")


if __name__ == "__main__":
    main()

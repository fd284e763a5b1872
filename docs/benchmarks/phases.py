"""Images a second of both phases and of plain training, and each phase against its lower bound, on digits or hands.

The lower bound of an iteration is what cannot be saved: a step of the network and one of the flow on batches that are
there. That of a round: ascent steps times forward and backward to the input of task network and flow, and, where the
ascent does not start from the source images, the one forward pass that tells what the objective compares with them.
Measured in processor time on one thread, interleaved, medians.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS = 20
SETTINGS = {"iterations_per_epoch": ITERATIONS, "max_epochs": 10**6, "max_generated": 10**5, "flow_interval": 1}
OVERLAYS = {
    "digits": ["digits/task", "digits/protocol"],
    "hands": ["data/signdigits", "head/regression", "backbone/resnet"],
}
METHODS = {"digits": "digits/method", "hands": "method"}
FROM_THE_SOURCE = ("pixel", "reflected")


def build(task: str, method: str, dataset_dir: str, folder: str, images: int) -> ConfigParser:
    """The bundle's own engines, without validation and what writes files."""
    overlays = [*OVERLAYS[task], f"{METHODS[task]}/{method}"]
    files = [ROOT / "bundle" / "configs" / "train.json", *(ROOT / "configs" / f"{name}.yaml" for name in overlays)]
    parser = ConfigParser(ConfigParser.load_config_files([str(file) for file in files]))
    few = {"source_list::count": images, "splits::1": "@source_list"}
    if task == "hands":
        few = {"splits": f"$[@source_list[:{images}]] * 3"}
    folders = {"dataset_dir": dataset_dir, "output_dir": folder, "ckpt_dir": folder}
    parser.update({**SETTINGS, **few, **folders, "images_per_round": images})
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


def example(parser: ConfigParser, count: int) -> tuple[Any, Any, Any]:
    """Images, labels and classes of a batch as the engines prepare them."""
    maximizer = parser.get_parsed_content("maximizer")
    samples = [maximizer.dataset.bare_sample(index % maximizer.dataset.num_source) for index in range(count)]
    batch = torch.utils.data.default_collate(samples)
    return (*maximizer.prepare_batch(batch), batch["class"])


def steps(parser: ConfigParser) -> Callable[[], None]:
    """The steps of an epoch of both networks without anything around them."""
    trainer = parser.get_parsed_content("train::trainer")
    network, optimizer, loss = trainer.network, trainer.optimizer, trainer.loss_function
    flow, flow_optimizer, dtype = trainer.flow, trainer.flow_optimizer, trainer.autocast_dtype
    image, target, classes = example(parser, trainer.data_loader.batch_size)

    def work() -> None:
        network.train(), flow.train()
        for _ in range(ITERATIONS):
            optimizer.zero_grad(set_to_none=True)
            loss(trainer.inferer(image, network), target).backward()
            optimizer.step()
            flow_optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                bits = flow.bits_per_dim(flow.dequantize(image), classes).mean()
            bits.backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), trainer.max_flow_norm)
            flow_optimizer.step()

    return work


def passes(parser: ConfigParser, images: int) -> Callable[[], None]:
    """The passes of a round without anything around them."""
    network, flow = (parser.get_parsed_content(name) for name in ("network", "flow"))
    maximizer, loss = parser.get_parsed_content("maximizer"), parser.get_parsed_content("objective").task_loss
    dtype, ascent = parser.get_parsed_content("autocast_dtype"), maximizer.ascent
    image, target, classes = example(parser, maximizer.sampler.batch_size)

    def forward(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            prediction = network(x)
        return prediction.float(), *flow(x)

    def work() -> None:
        network.eval(), flow.eval()
        for _ in range(images // len(image)):
            if ascent.parametrization not in FROM_THE_SOURCE:
                with torch.no_grad():
                    forward(image)
            for _ in range(ascent.steps):
                x = image.clone().requires_grad_()
                prediction, z, log_det = forward(x)
                value = loss(prediction, target) - flow.log_prob_from_latent(z, log_det, classes)
                torch.autograd.grad(value.sum(), x)

    return work


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset_dir", required=True, help="folder of the data: mnist/ and bsds500/train/, or hands")
    parser.add_argument("--task", default="digits", choices=sorted(OVERLAYS))
    parser.add_argument("--method", default="degia_pixel", help="an overlay with a flow and one view")
    parser.add_argument("--images", type=int, default=256, help="climbed in a round, a multiple of 64")
    parser.add_argument("--repeats", type=int, default=5, help="rounds and epochs, of which the median counts")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        common = (options.dataset_dir, folder, options.images)
        plain, degia = (build(options.task, method, *common) for method in ("erm", options.method))
        degia.update({"output_dir": f"{folder}/degia"})
        maximizer = degia.get_parsed_content("maximizer")
        works = {
            "plain training": epoch(plain),
            "minimisation": epoch(degia),
            "steps alone": steps(degia),
            "maximisation": maximizer.run,
            "passes alone": passes(degia, options.images),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.repeats + 1):
            for name, work in works.items():
                times[name].append(seconds(work))
        stored = maximizer.dataset.num_generated
    median = {name: statistics.median(values[1:]) for name, values in times.items()}
    rounds = ("maximisation", "passes alone")
    images = {name: options.images if name in rounds else 32 * ITERATIONS for name in works}
    if stored != (options.repeats + 1) * options.images:
        raise SystemExit(f"The rounds stored {stored} images in all: the timing is of something else.")
    for name, value in median.items():
        print(f"{name:15s} {images[name] / value:8.0f} images a second")
    print(f"minimisation / steps alone: {median['minimisation'] / median['steps alone']:.2f}")
    print(f"maximisation / passes alone: {median['maximisation'] / median['passes alone']:.2f}")


if __name__ == "__main__":
    main()

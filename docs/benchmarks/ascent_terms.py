"""What each term of Eq. (7) pulls at, for a finished run of digits: its gradient's length, colour and contrast.

On test digits of the source, at the images that half of the run's own ascent has reached, since two of the terms have
no gradient at their start.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from torch import Tensor

import monai_degia

TERMS = {"task loss": "task_weight", "NLL": "nll_weight", "transport cost": "alpha", "prediction": "prediction_weight"}


def load(run_dir: Path) -> tuple[ConfigParser, torch.nn.Module, torch.nn.Module]:
    """The run's config, its network and its flow."""
    parser = ConfigParser(ConfigParser.load_config_files([str(run_dir / "evaluate.json")]))
    parser.update({"ckpt_dir": str(run_dir), "output_dir": str(run_dir), "use_flow": True})
    network, flow = parser.get_parsed_content("network_def"), parser.get_parsed_content("flow_def")
    for part, name in ((network, "model.pt"), (flow, "flow.pt")):
        part.load_state_dict(torch.load(run_dir / name, weights_only=True))
    return parser, network.eval(), flow.eval()


def source_digits(parser: ConfigParser, mnist: Path, count: int) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] of the network's size (B, 3, X, Y), and their classes."""
    items = monai_degia.load_digits(mnist, split="test", count=count)
    images = torch.stack([torch.as_tensor(item["image"]).float().expand(3, -1, -1) / 255 for item in items])
    size = tuple(parser.get_parsed_content("image_size"))
    images = torch.nn.functional.interpolate(images, size=size, mode="bilinear").clamp(0, 1)
    return images, torch.tensor([int(item["target"]) for item in items])


def gradient(objective: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Of the summed objective with respect to the image."""
    x = image.clone().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(objective(x).sum(), x)[0]


def describe(direction: Tensor, image: Tensor) -> tuple[float, ...]:
    """Mean over images: length, that of the part of at most two waves a side, shares of colour and of less contrast."""
    spectrum = torch.fft.fft2(direction)
    wave = torch.fft.fftfreq(direction.shape[-1], 1 / direction.shape[-1])
    long = (wave[:, None].square() + wave[None].square()).sqrt() <= 2
    coarse = torch.fft.ifft2(spectrum * long).real
    length = direction.flatten(1).norm(dim=1)
    grey = direction.mean(1, keepdim=True).expand_as(direction)
    fading = (0.5 - image).flatten(1)
    along = (direction.flatten(1) * fading).sum(1) / (length * fading.norm(dim=1)).clamp_min(1e-20)
    colour = 1 - grey.flatten(1).norm(dim=1).square() / length.square().clamp_min(1e-20)
    return tuple(float(value.mean()) for value in (length, coarse.flatten(1).norm(dim=1), colour, along))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a finished run of digits with a flow and an ascent over pixels")
    parser.add_argument("--mnist", type=Path, required=True, help="folder of the source digits")
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    torch.manual_seed(0)
    config, network, flow = load(options.run_dir)
    image, target = source_digits(config, options.mnist, options.images)
    ascent = {
        key: config.get_parsed_content(f"ascent::{key}") for key in ("parametrization", "steps", "step_size", "rule")
    }
    weights = {weight: float(config.get_parsed_content(f"objective::{weight}")) for weight in TERMS.values()}

    def objective(**only: float) -> monai_degia.AscentObjective:
        return monai_degia.AscentObjective(
            network, flow, monai_degia.cross_entropy, prediction=torch.nn.Softmax(1), **{**weights, **only}
        )

    half = monai_degia.AdversarialAscent(objective(), flow=flow, **{**ascent, "steps": ascent["steps"] // 2})
    half.set_random_state(0)
    reached = half(image, target, target)
    print("term           |  length | of long waves | colour | cosine with less contrast")
    for name, weight in TERMS.items():
        alone = objective(**{other: 0.0 for other in weights if other != weight})
        with alone.bind(image, target, target, torch.Generator().manual_seed(0)) as value:
            length, coarse, colour, along = describe(gradient(value, reached), reached)
        print(f"{name:14s} | {length:7.2g} | {coarse:13.2g} | {100 * colour:4.0f} % | {along:+.3f}")


if __name__ == "__main__":
    main()

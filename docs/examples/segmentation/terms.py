"""What an ascent on volumes does: loss and bits after some steps, and the gradient of each term where it starts.

    python docs/examples/segmentation/terms.py DATASET_DIR [--task landmarks] [--seed 0]

Trains `degia.yaml` once, then evaluates the held-out volumes of the source; means over volumes and four random starts.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean

import torch
from compare import TASKS, _config, _items, _label
from torch import Tensor

from monai_degia.ascent.appearance import AppearanceParametrization
from monai_degia.losses.degia import negative_log_likelihood, prediction_shift, transport_cost


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_dir", type=Path)
    parser.add_argument("--task", choices=TASKS, default="segmentation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max_epochs", type=int, default=14)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = _config(options.task, ["degia.yaml"])
        config.update({"seed": options.seed, "max_epochs": options.max_epochs})
        config.update({"dataset_dir": str(options.dataset_dir), "output_dir": folder})
        config.get_parsed_content("initialize")
        config.get_parsed_content("train#trainer").run()
        ascent = config.get_parsed_content("ascent")
        network, flow = ascent.objective.network.eval(), ascent.objective.flow.eval()
        items = list(_items(config, "source_heldout"))
        source = torch.stack([item["image"].as_tensor() for item in items]).clamp(0, 1)
        labels = torch.stack([_label(item, options.task) for item in items])
        unseen = torch.stack([item["image"].as_tensor() for item in _items(config, "unseen_D")]).clamp(0, 1)

    @torch.no_grad()
    def figures(images: Tensor) -> tuple[float, float]:
        loss = ascent.objective.task_loss(network(images), labels)
        return float(loss.mean()), float(flow.bits_per_dim(images).mean())

    print("source: loss {:.4f}, bits {:.3f}".format(*figures(source)))
    with torch.no_grad():
        print(f"unseen: bits {float(flow.bits_per_dim(unseen).mean()):.3f}")
    for steps in (0, 3, 6, 12):
        found = []
        for seed in range(4):
            ascent.set_random_state(seed)
            ascent.steps = steps
            found.append(figures(ascent(source, labels)))
        print("{} steps: loss {:.4f}, bits {:.3f}".format(steps, *map(mean, zip(*found, strict=True))))
    maps = AppearanceParametrization.draw(source, torch.Generator().manual_seed(0))
    start = maps.start.clone().requires_grad_()
    images = maps.decode(start).clamp(0, 1)
    output, (z, log_det) = network(images), flow(images)
    prediction, before = ascent.objective.prediction(output), ascent.objective.prediction(network(source))
    terms = {
        "task loss": ascent.objective.task_loss(output, labels),
        "negative log-likelihood": negative_log_likelihood(flow.log_prob_from_latent(z, log_det), z.shape[1]),
        "cost of transport": -transport_cost(z, flow(source)[0].detach()),
        "shift of the prediction": prediction_shift(prediction, before.detach()),
    }
    gradients = {name: torch.autograd.grad(term.sum(), start, retain_graph=True)[0] for name, term in terms.items()}
    total = torch.stack(list(gradients.values())).sum(0)
    for name, gradient in gradients.items():
        along = float(torch.cosine_similarity(gradient, total, dim=1).mean())
        print(f"{name}: length {float(gradient.norm(dim=1).mean()):.4f}, cosine {along:.2f}")


if __name__ == "__main__":
    main()

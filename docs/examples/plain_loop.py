"""A PyTorch loop without any engine: find the centre of a shape, with `AdversarialAscentd` on every batch.

Half of each batch is climbed on the fly, from where the network is at that moment; there is no pool and no flow.
"""

from __future__ import annotations

import torch
from monai.networks.nets import Regressor
from monai.utils import set_determinism
from shapes import DOMAINS, SIDE, shapes
from torch.utils.data import DataLoader

import monai_degia

EPOCHS = 12


def error(network: torch.nn.Module, domain: str) -> float:
    """Mean distance to the centre in pixels, on new shapes."""
    samples = shapes(200, domain, seed=1)
    image, centre = (torch.stack([sample[key] for sample in samples]) for key in ("image", "centre"))
    with torch.no_grad():
        return float((network.eval()(image) - centre).norm(dim=1).mean()) * SIDE


def train(climb: bool) -> torch.nn.Module:
    """The same loop with and without the transform."""
    set_determinism(0)
    network = Regressor(in_shape=(1, SIDE, SIDE), out_shape=(2,), channels=(8, 16, 32), strides=(2, 2, 2))
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    objective = monai_degia.AscentObjective(
        network, task_loss=lambda p, t: (p - t).square().mean(1), nll_weight=0.0, alpha=0.0, prediction_weight=0.0
    )
    ascent = monai_degia.AdversarialAscent(
        objective, parametrization="reflected", rule="sobolev", steps=5, step_size=0.3
    )
    transform = monai_degia.AdversarialAscentd("image", ascent, target_key="centre").set_random_state(0)
    loader = DataLoader(shapes(384), batch_size=32, shuffle=True)  # type: ignore[arg-type]
    for _ in range(EPOCHS):
        for batch in loader:
            if climb:
                half = transform({key: batch[key][:16] for key in ("image", "centre")})
                batch["image"] = torch.cat([half["image"], batch["image"][16:]])
            network.train()
            loss = torch.nn.functional.mse_loss(network(batch["image"]), batch["centre"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def main() -> None:
    """Train both ways and print errors."""
    print("error in pixels    " + "".join(f"{domain:>10s}" for domain in DOMAINS))
    for name, climb in (("plain", False), ("with ascent", True)):
        network = train(climb)
        print(f"{name:19s}" + "".join(f"{error(network, domain):10.1f}" for domain in DOMAINS))


if __name__ == "__main__":
    main()

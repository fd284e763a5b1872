"""`FlowPrior` alone, as a detector of images that are unlike those it was trained on.

Both ends count: an image that the flow finds much less likely than its training images is foreign, and so is one that
it finds much more likely, as flows do with images that are smoother.
"""

from __future__ import annotations

import torch
from monai.metrics import compute_roc_auc
from monai.utils import set_determinism
from shapes import DOMAINS, SIDE, shapes
from torch import Tensor

import monai_degia


def images(count: int, domain: str, seed: int) -> Tensor:
    """A batch (B, 1, X, Y)."""
    return torch.stack([sample["image"] for sample in shapes(count, domain, seed)])


def main() -> None:
    """Train on plain shapes; print how well the score tells the other domains from new plain ones."""
    set_determinism(0)
    flow = monai_degia.FlowPrior((SIDE, SIDE), in_channels=1)
    optimizer = torch.optim.Adam(flow.parameters(), 2e-3)
    source = images(600, "plain", seed=0)
    for _ in range(150):
        batch = source[torch.randperm(len(source))[:64]]
        loss = flow.bits_per_dim(flow.dequantize(batch)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 50.0)
        optimizer.step()
    flow.eval()
    with torch.no_grad():
        bits = {domain: flow.bits_per_dim(images(200, domain, seed=1)) for domain in DOMAINS}
        known = flow.bits_per_dim(images(200, "plain", seed=2))
    scores = {domain: (value - known.mean()).abs() / known.std() for domain, value in bits.items()}
    print(f"bits per dimension at the end of training: {float(loss.detach()):.2f}")
    for domain in DOMAINS[1:]:
        labels = torch.cat([torch.zeros(200), torch.ones(200)])
        auc = compute_roc_auc(torch.cat([scores["plain"], scores[domain]]), labels)
        print(f"{domain:9s} against plain: AUROC {auc:.3f}")


if __name__ == "__main__":
    main()

"""What is said of the weights that come along is what the result files kept here hold."""

import json
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
RESULTS = REPO / "docs" / "results"


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


@pytest.mark.parametrize(
    ("name", "scores", "folder"), [("resnet", "scores", "models"), ("densenet", "scores_densenet", "models/densenet")]
)
def test_the_model_card_shows_the_errors_and_scores_of_both_sets(name: str, scores: str, folder: str) -> None:
    metrics = read(f"weights/{name}")
    errors = [percent(metrics[domain]["nme"]) for domain in ("photo", "depth", "xray", "xray_expert")]
    found = " / ".join(f"{read(scores)[domain]['auroc_confidence']:.2f}" for domain in ("depth", "xray"))
    row = f"| `{folder}` | {' | '.join(errors)} | {found} |"
    assert row in (REPO / "bundle" / "docs" / "README.md").read_text(encoding="utf-8"), row
    page = (RESULTS.parent / "results.md").read_text(encoding="utf-8")
    assert " / ".join(errors[:3]) in page and errors[3] in page and percent(metrics["xray_dicom"]["nme"]) in page


@pytest.mark.parametrize("name", ["resnet", "densenet", "densenet_seed2"])
def test_source_validation_of_the_sets_is_shown(name: str) -> None:
    metrics = read(f"weights/{name}_validation")
    photographs = metrics.pop("photo")
    count = sum(domain["count"] for domain in metrics.values())
    shifted = sum(domain["count"] * domain["nme"] for domain in metrics.values()) / count
    assert count == photographs["count"]  # so that the mean of both is that of all images
    mean = percent((photographs["nme"] + shifted) / 2)
    lines = (RESULTS.parent / "trials.md").read_text(encoding="utf-8").replace("*", "").splitlines()
    assert any(line.endswith(f"| {percent(photographs['nme'])} | {percent(shifted)} | {mean} |") for line in lines)

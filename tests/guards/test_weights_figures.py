"""What is said of the weights that come along is what the result files kept here hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from monai_degia import hand_inferer

REPO = Path(__file__).parents[2]
WEIGHTS = REPO / "docs" / "results" / "weights"
DOMAINS = ("photo", "depth", "xray", "xray_expert", "xray_dicom")


def read(name: str) -> dict[str, Any]:
    return json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8"))


def row(name: str, passes: int) -> str:
    metrics = read(name)
    return f"| {passes} | " + " | ".join(f"{100 * metrics[domain]['nme']:.2f}" for domain in DOMAINS) + " |"


@pytest.mark.parametrize("page", ["README.md", "bundle/docs/README.md", "docs/results.md"])
@pytest.mark.parametrize(("name", "passes"), [("one_pass", 1), ("as_inference", hand_inferer((64, 64)).num_passes)])
def test_pages_show_the_errors_of_the_weights_that_ship(page: str, name: str, passes: int) -> None:
    assert row(name, passes) in (REPO / page).read_text(encoding="utf-8"), row(name, passes)


@pytest.mark.parametrize(
    ("label", "name"),
    [("1, 1", "seed1_one_pass"), ("0, 56", "as_inference_subset"), ("1, 56", "seed1_as_inference_subset")],
)
def test_the_results_show_another_seed(label: str, name: str) -> None:
    wanted = f"| {label} | {row(name, 0).removeprefix('| 0 | ')}"
    assert wanted in (REPO / "docs" / "results.md").read_text(encoding="utf-8"), wanted


def test_the_model_card_shows_what_confidence_is_worth() -> None:
    scores = json.loads((REPO / "docs" / "results" / "scores.json").read_text(encoding="utf-8"))
    found = " / ".join(f"{scores[domain]['auroc_confidence']:.2f}" for domain in ("depth", "xray"))
    assert found in (REPO / "bundle" / "docs" / "README.md").read_text(encoding="utf-8"), found

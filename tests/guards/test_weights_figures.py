"""What is said of the weights that come along is what the result files kept here hold."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_degia import ScoreCalibration, hand_inferer
from monai_degia.networks.weights_hash import weights_hash

REPO = Path(__file__).parents[2]
WEIGHTS = REPO / "docs" / "results" / "weights"
DOMAINS = ("photo", "depth", "xray", "xray_expert", "xray_dicom")


def read(name: str) -> dict[str, Any]:
    return json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8"))


def row(name: str, passes: int) -> str:
    metrics = read(name)
    return f"| {passes} | " + " | ".join(f"{100 * metrics[domain]['nme']:.2f}" for domain in DOMAINS) + " |"


@pytest.mark.parametrize("page", ["bundle/docs/README.md", "docs/results/weights.md"])
@pytest.mark.parametrize(("name", "passes"), [("one_pass", 1), ("as_inference", hand_inferer((96, 96)).num_passes)])
def test_pages_show_the_errors_of_the_weights_that_ship(page: str, name: str, passes: int) -> None:
    assert row(name, passes) in (REPO / page).read_text(encoding="utf-8"), row(name, passes)


def scores() -> dict[str, Any]:
    return read("confidence")


def confidence_row(domain: str) -> str:
    own = scores()[domain]
    held, radius = f"{100 * own['coverage']:.1f} %", f"{100 * own['radius']:.1f} %"
    area = "-" if own["auroc_confidence"] is None else f"{own['auroc_confidence']:.2f}"
    return f"| {own['count']} | {held} | {radius} | {area} | {own['ece']:.3f} | {100 * own['withheld']:.1f} % |"


@pytest.mark.parametrize("domain", ["source", *DOMAINS, "source_mirrored", "xray_mirrored"])
def test_the_page_shows_what_confidence_and_radius_are_worth(domain: str) -> None:
    row = confidence_row(domain)
    assert row in (REPO / "docs" / "concepts" / "confidence.md").read_text(encoding="utf-8"), row


@pytest.mark.parametrize("domain", ["depth", "xray", "xray_expert"])
def test_radii_hold_four_of_five_on_domains_that_chose_nothing(domain: str) -> None:
    assert scores()[domain]["coverage"] >= 0.8


def test_the_shipped_calibration_is_that_of_the_shipped_weights_and_says_what_it_held() -> None:
    calibration = ScoreCalibration.load(REPO / "bundle" / "models" / "calibration.json")
    states = {
        name: torch.load(REPO / "bundle" / "models" / name, weights_only=True) for name in ("model.pt", "flow.pt")
    }
    assert calibration.fits(weights_hash(states["model.pt"])) and calibration.fits_flow(weights_hash(states["flow.pt"]))
    held = calibration.left_out or {}
    assert len(held) == 22 and sum(held.values()) / len(held) >= calibration.coverage == 0.9


def test_the_model_card_shows_what_confidence_is_worth() -> None:
    card = (REPO / "bundle" / "docs" / "README.md").read_text(encoding="utf-8")
    for key, digits in (("auroc_confidence", 2), ("coverage", 2)):
        found = " / ".join(f"{scores()[domain][key]:.{digits}f}" for domain in ("depth", "xray"))
        assert found in card, found

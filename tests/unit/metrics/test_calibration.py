"""The fit of confidence and domain shift against what the data were drawn from."""

import math
from pathlib import Path

import pytest
import torch

from monai_degia.metrics.calibration import ScoreCalibration, fit_calibration


def drawn(count: int = 40000, intercept: float = -6.0, slope: float = -2.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Disagreements, and errors that are small with a known probability."""
    disagreement = torch.exp(torch.randn(count) - 2.5)
    small = torch.rand(count) < torch.sigmoid(intercept + slope * disagreement.log())
    return disagreement, torch.where(small, 0.05, 0.3)


def test_the_fit_finds_the_probability_that_was_drawn_from() -> None:
    calibration = fit_calibration(*drawn())
    assert calibration.intercept == pytest.approx(-6, abs=0.2) and calibration.slope == pytest.approx(-2.5, abs=0.1)
    disagreement, error = drawn()
    confidence = calibration.confidence(disagreement)
    for low in (0.1, 0.4, 0.7):
        chosen = (confidence > low) & (confidence < low + 0.2)
        assert (error[chosen] <= 0.1).float().mean() == pytest.approx(float(confidence[chosen].mean()), abs=0.03)


def test_one_look_has_a_confidence_of_its_own() -> None:
    disagreement, error = drawn()
    one_look_error = torch.where(torch.rand(len(error)) < torch.sigmoid(-4 - 1.5 * disagreement.log()), 0.05, 0.3)
    calibration = fit_calibration(disagreement, error, one_look_error=one_look_error)
    assert calibration.knows_one_look and calibration.one_look_slope == pytest.approx(-1.5, abs=0.1)
    assert calibration.slope == pytest.approx(-2.5, abs=0.1)
    found = calibration.confidence(torch.tensor([0.1]), one_look=True)
    torch.testing.assert_close(found, torch.sigmoid(torch.tensor([-4 - 1.5 * math.log(0.1)])), atol=0.02, rtol=0)
    with pytest.raises(ValueError, match=r"knows no confidence of one look: make it anew"):
        fit_calibration(disagreement, error).confidence(disagreement, one_look=True)


def test_domain_shift_counts_standard_deviations_on_both_sides() -> None:
    bits = 4 + 0.5 * torch.randn(5000)
    calibration = fit_calibration(*drawn(500), bits)
    found = calibration.domain_shift(torch.tensor([4.0, 5.0, 3.0]))
    torch.testing.assert_close(found, torch.tensor([0.0, 2.0, 2.0]), atol=0.15, rtol=0)


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    for calibration in (
        ScoreCalibration(-1.0, -2.0, 0.1),
        ScoreCalibration(-1.0, -2.0, 0.1, 3.5, 0.25),
        ScoreCalibration(-1.0, -2.0, 0.1, 3.5, 0.25, -3.0, -4.0),
    ):
        calibration.save(tmp_path / "c.json")
        assert ScoreCalibration.load(tmp_path / "c.json") == calibration


def test_without_a_flow_there_is_no_shift() -> None:
    with pytest.raises(ValueError, match="made without a flow"):
        ScoreCalibration(0.0, -1.0, 0.1).domain_shift(torch.ones(2))


@pytest.mark.parametrize("content", [None, "[1]", '{"slope": 1}', "no json"])
def test_files_that_are_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"No calibration can be read from .*c\.json.*calibrate\.yaml"):
        ScoreCalibration.load(path)


@pytest.mark.parametrize("error", [0.01, 0.5])
def test_errors_on_one_side_cannot_be_fitted(error: float) -> None:
    with pytest.raises(ValueError, match="needs both small and large ones"):
        fit_calibration(torch.rand(10) + 0.1, torch.full((10,), error))


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match=r"two vectors of one length, got \(3,\), \(4,\)"):
        fit_calibration(torch.rand(3), torch.rand(4))

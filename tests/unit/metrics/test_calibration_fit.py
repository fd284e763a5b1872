"""The fit of a calibration against what the data were drawn from."""

import logging
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.metrics.calibration_fit import ObservedErrors, fit_calibration

K = 5


def both(error: Tensor) -> ObservedErrors:
    return ObservedErrors(error, error)


def drawn_confidence(count: int = 8000, intercept: float = -6.0, slope: float = -1.5) -> tuple[Tensor, Tensor]:
    """Disagreements, and errors that are small with a known probability."""
    disagreement = torch.exp(torch.randn(count, 1) + 0.7 * torch.randn(count, K) - 2.5)
    log = disagreement.log()
    small = torch.rand(count, K) < torch.sigmoid(intercept + slope * log - log.mean(1, keepdim=True))
    return disagreement, torch.where(small, 0.05, 0.3)


def drawn_errors(count: int, factor: float = 1.0) -> tuple[Tensor, Tensor]:
    """Disagreements d, and errors of two normal coordinates of standard deviation factor * d."""
    disagreement = torch.exp(0.7 * torch.randn(count, 1) + 0.3 * torch.randn(count, K) - 3)
    return disagreement, factor * disagreement * torch.randn(count, K, 2).norm(dim=2)


def coverage(calibration: ScoreCalibration, disagreement: Tensor, error: Tensor) -> float:
    return float((error <= calibration.radius(disagreement)).double().mean())


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_fit_finds_the_probability_that_was_drawn_from() -> None:
    calibration = fit_calibration(*_with(drawn_confidence()))
    assert calibration.refined.confidence == pytest.approx((-6.0, -1.5, -1.0, 0.0, 0.0), abs=0.35)
    disagreement, error = drawn_confidence()
    confidence = calibration.confidence(disagreement)
    for low in (0.1, 0.4, 0.7):
        chosen = (confidence > low) & (confidence < low + 0.2)
        assert (error[chosen] <= 0.1).float().mean() == pytest.approx(float(confidence[chosen].mean()), abs=0.03)


@pytest.mark.parametrize("share", [0.9, 0.75])
def test_a_radius_holds_the_share_of_new_errors_that_was_asked_for(share: float) -> None:
    """Also where copies agree well and where they do not: the radius goes with the disagreement."""
    calibration = fit_calibration(*_with(drawn_errors(3000)), coverage=share)
    disagreement, error = drawn_errors(20000)
    assert coverage(calibration, disagreement, error) == pytest.approx(share, abs=0.01)
    radius = calibration.radius(disagreement)
    for part in radius.flatten().argsort().tensor_split(4):
        held = (error.flatten()[part] <= radius.flatten()[part]).double().mean()
        assert held == pytest.approx(share, abs=0.03)
    assert_close(radius.median(), math.sqrt(-2 * math.log(1 - share)) * disagreement.median(), rtol=0.1, atol=0)


def test_a_kind_that_was_left_out_raises_the_radius() -> None:
    """Kinds whose errors the disagreement tells less and less of: the mean over those left out is held, and no more."""
    parts = [drawn_errors(900, factor) for factor in (1.0, 1.0, 1.2, 1.5, 2.0)]
    disagreement, error = (torch.cat(columns) for columns in zip(*parts, strict=True))
    kinds = [() if not kind else (f"kind {kind}",) for kind in range(5) for _ in range(900)]
    plain = fit_calibration(disagreement, both(error))
    judged = fit_calibration(disagreement, both(error), kinds=kinds)
    assert plain.level == 0.9 and judged.level is not None and judged.level > 0.9
    assert list(judged.left_out or {}) == [f"kind {kind}" for kind in range(1, 5)]
    held = list((judged.left_out or {}).values())
    assert held == sorted(held, reverse=True) and 0.9 <= sum(held) / 4 < 0.91
    new = drawn_errors(4000, 1.4)  # a kind of shift that nobody has shown
    assert coverage(plain, *new) + 0.01 < coverage(judged, *new)


def test_copies_of_a_photograph_do_not_stand_on_both_sides() -> None:
    """An easy photograph and a hard one: the radius is that of the one which did not give the scale, no mixture."""
    disagreement, found = torch.full((400, K), 0.1), set()
    for easy in (0, 1):
        error = torch.tensor([0.01 if index % 2 == easy else 0.5 for index in range(400)])[:, None].expand(400, K)
        photographs = [f"{index % 2}.png" for index in range(400)]
        radius = fit_calibration(disagreement, both(error), photographs=photographs, tolerance=0.1).radius(disagreement)
        found.add(round(float(radius[0, 0]), 3))
    assert found == {0.01, 0.5}


def test_the_radius_counts_the_hand_that_was_found_and_the_confidence_the_labelled_one() -> None:
    disagreement, error = drawn_errors(2000)
    one = fit_calibration(disagreement, ObservedErrors(error, error))
    half = fit_calibration(disagreement, ObservedErrors(error, 2 * error))
    assert half.refined.confidence == pytest.approx(one.refined.confidence)
    assert_close(half.radius(disagreement), 2 * one.radius(disagreement), rtol=0.02, atol=0)


def test_what_speaks_for_the_other_side_is_heeded() -> None:
    """Half of the images are wrong however well their copies agree, and nothing but the side tells which."""
    disagreement, error = drawn_errors(4000)
    side = torch.arange(4000) % 2
    error = torch.where(side[:, None] > 0, 0.3 * torch.randn(4000, K, 2).norm(dim=2), error)
    calibration = fit_calibration(disagreement, both(error), other_side=side.float())
    radius = calibration.radius(disagreement, side.float())
    for part in (side == 0, side == 1):
        assert (error[part] <= radius[part]).double().mean() == pytest.approx(0.9, abs=0.02)
    told = calibration.radius(torch.tensor([[0.01] * K, [0.1] * K]), torch.ones(2))[:, 0]
    assert told.tolist() == pytest.approx([0.3 * math.sqrt(-2 * math.log(0.1))] * 2, rel=0.5)
    assert calibration.confidence(disagreement, side.float())[side == 1].mean() < 0.3
    assert not any(fit_calibration(disagreement, both(error)).refined.radius[3:]), "not gone by where nobody asked"


def test_one_look_is_fitted_by_itself() -> None:
    (disagreement, error), (_, other) = drawn_confidence(), drawn_confidence(intercept=-4.0)
    calibration = fit_calibration(disagreement, both(error), both(torch.where(error > 0.1, 0.4, other)))
    assert calibration.one_look is not None
    assert calibration.refined == fit_calibration(disagreement, both(error)).refined
    assert calibration.one_look.confidence[0] != pytest.approx(calibration.refined.confidence[0], abs=0.2)


def test_the_flow_is_judged_by_images_as_they_are_and_its_range_by_all() -> None:
    disagreement, error = drawn_errors(400)
    bits = torch.linspace(3, 5, 400)
    bits[1::2] += 20
    kinds = [() if index % 2 == 0 else ("noise",) for index in range(400)]
    calibration = fit_calibration(disagreement, both(error), bits_per_dim=bits, kinds=kinds)
    assert calibration.bits_mean == pytest.approx(float(bits[::2].mean()))
    assert calibration.bits_std == pytest.approx(float(bits[::2].std()))
    low, high = calibration.bits_range or (0.0, 0.0)
    assert 3 <= low < 3.1 and 24.9 < high <= 25
    beyond = calibration.beyond(disagreement, bits)
    assert 0 < beyond.double().mean() < 0.04, "a single odd image does not widen the range, and most lie within"


def test_without_kinds_the_log_says_what_the_radius_does_not_hold(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        fit_calibration(*_with(drawn_errors(100)))
    assert sum("No kinds of shift to leave out" in message for message in caplog.messages) == 1


def test_kinds_that_no_level_holds_are_told(caplog: pytest.LogCaptureFixture) -> None:
    disagreement, error = drawn_errors(600)
    error[300:] += 9.0
    kinds = [()] * 300 + [("a",)] * 150 + [("a", "b")] * 150
    with caplog.at_level(logging.WARNING):
        calibration = fit_calibration(disagreement, both(error), kinds=kinds)
    assert any("held to" in message for message in caplog.messages) and calibration.level == 0.995


@pytest.mark.parametrize("error", [0.01, 0.5])
def test_errors_on_one_side_cannot_be_fitted(error: float) -> None:
    with pytest.raises(ValueError, match="needs both small and large ones"):
        fit_calibration(torch.rand(10, 2) + 0.1, both(torch.full((10, 2), error)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"refined": both(torch.rand(6, 3))}, r"one shape \(N, K\), got \(6, 2\), \(6, 3\)"),
        ({"one_look": both(torch.rand(5, 2))}, r"one shape \(N, K\)"),
        ({"bits_per_dim": torch.rand(5)}, "for each of the 6 images"),
        ({"kinds": [()] * 5}, "for each of the 6 images"),
        ({"coverage": 1.0}, r"coverage in \(0, 1\) and label_error >= 0, got 1\.0"),
        ({"label_error": -0.1}, "label_error >= 0"),
        ({"bits_per_dim": torch.rand(6), "kinds": [("far",)] * 6}, "at least two images as they are"),
        ({"photographs": ["a.png"] * 6}, "two photographs or more"),
    ],
)
def test_what_cannot_be_fitted_is_named(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"refined": both(torch.tensor([[0.05, 0.3]] * 6)), **options}
    with pytest.raises(ValueError, match=message):
        fit_calibration(torch.rand(6, 2) + 0.1, **given)


def _with(drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, ObservedErrors]:
    return drawn[0], both(drawn[1])


def test_landmarks_without_a_label_change_nothing_but_their_number() -> None:
    """A third of the labels is missing at random: missing ones are no large errors."""
    disagreement, error = drawn_confidence()
    missing = torch.rand(error.shape) < 1 / 3
    partial = fit_calibration(disagreement, both(error.masked_fill(missing, torch.nan)))
    assert partial.refined.confidence[:3] == pytest.approx((-6.0, -1.5, -1.0), abs=0.5)
    assert coverage(partial, disagreement, error) == pytest.approx(0.9, abs=0.02)

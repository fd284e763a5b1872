"""The conformal radius where it can be worked out by hand: one feature, so that the scale is one number."""

import pytest
import torch
from torch import Tensor

from monai_degia.metrics.conformal import ConformalRadius, conformal_radius, minimum

ERRORS = torch.tensor([0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.21, 0.34, 0.55])


def fitted(first: Tensor, second: Tensor, coverage: float, kinds: list[list[str]] | None = None) -> ConformalRadius:
    """The fit to images of one landmark, those of the first half before those of the second."""
    error = torch.cat([first, second])[:, None]
    half = torch.arange(len(error)) < len(first)
    features = torch.ones(len(error), 1, 1, dtype=torch.float64)
    return conformal_radius(features, error, kinds or [[] for _ in error], half, coverage)


def radius(found: ConformalRadius) -> float:
    return float(torch.tensor(found.weights).exp())


@pytest.mark.parametrize(("coverage", "rank"), [(0.5, 5), (0.75, 8), (0.8, 8), (0.85, 9), (0.9, 9), (0.95, 9)])
def test_the_radius_is_an_error_of_the_second_half(coverage: float, rank: int) -> None:
    """That of the rank (n + 1) * coverage, rounded up, and the largest where there is none so high."""
    assert radius(fitted(7 * ERRORS, ERRORS, coverage)) == pytest.approx(float(ERRORS[rank - 1]), rel=1e-5)


def test_errors_below_a_thousandth_are_alike() -> None:
    tiny = fitted(torch.full((9,), 1e-9), torch.full((9,), 1e-7), 0.8)
    assert radius(tiny) == pytest.approx(1e-3, rel=1e-5)


def test_what_a_kind_left_out_was_held_to() -> None:
    """Of a kind ten times as wrong, the radius of the others holds what lies below it."""
    first, second = torch.cat([ERRORS, 10 * ERRORS]), torch.cat([ERRORS, 10 * ERRORS])
    kinds = [*[["plain"]] * 9, *[["far"]] * 9] * 2
    found = fitted(first, second, 0.6, kinds)
    # Left out, each kind is judged by the other: at a level L by its error of the rank 10 L.
    others = {"far": ERRORS, "plain": 10 * ERRORS}
    rank = next(r for r in range(6, 10) if sum(held(kind, others, r) for kind in others) / 2 >= 0.6)
    assert found.left_out == pytest.approx({kind: held(kind, others, rank) for kind in sorted(others)})
    assert list(found.left_out) == ["far", "plain"] and found.level == 0.605, "one step above the coverage"
    wanted = {kind: float(errors[rank - 1]) for kind, errors in others.items()}
    assert found.median_left_out == pytest.approx(wanted, rel=1e-5)


def test_a_share_that_is_just_held_raises_no_level() -> None:
    """Three of four errors of the kind left out lie below the radius of the others: 6 of 8, in the second half."""
    far, others = torch.tensor([0.1, 0.1, 0.1, 9.0]), ERRORS[:7]
    kinds: list[list[str]] = [*[[] for _ in others], *[["far"]] * 2] * 2
    found = fitted(torch.cat([others, far[:2]]), torch.cat([others, far[2:]]), 0.75, kinds)
    assert (found.level, found.left_out) == (0.75, {"far": 0.75})


def test_the_radius_follows_a_second_feature() -> None:
    """Errors that a feature decides altogether, of three landmarks an image."""
    feature = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    error = torch.exp(0.7 * feature - 2)
    half = torch.arange(40) % 2 == 0
    found = conformal_radius(torch.stack([torch.ones_like(feature), feature], -1), error, [[]] * 40, half, 0.9)
    assert found.weights == pytest.approx((-2.0, 0.7), abs=1e-3)


def held(kind: str, others: dict[str, Tensor], rank: int) -> float:
    own = 10 * ERRORS if kind == "far" else ERRORS
    return float((own <= others[kind][rank - 1] * (1 + 1e-6)).double().mean())


def test_kinds_without_which_nothing_is_left_to_fit_are_passed_over() -> None:
    """One that all images are of, and one without which a half is empty; the kinds after them still count."""
    kinds = [["all", "first", "some"] if i % 2 else ["all", "first"] for i in range(9)]
    kinds += [["all", "some"] if i % 2 else ["all"] for i in range(9)]
    found = fitted(ERRORS, ERRORS, 0.6, kinds)
    assert list(found.left_out) == list(found.median_left_out) == ["some"]


def test_the_smallest_value_of_a_bowl() -> None:
    centre = torch.tensor([0.7, -2.0, 11.0], dtype=torch.float64)
    weight = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)
    found = minimum(lambda x: (weight * (x - centre) ** 2).sum(), [0.0, 0.0, 0.0])
    assert found == pytest.approx(centre.tolist(), abs=1e-4) and all(type(value) is float for value in found)

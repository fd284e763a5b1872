import math

import pytest
import torch
from torch.testing import assert_close

from monai_degia.metrics.errors import (
    hand_size,
    landmark_size,
    nme,
    normalized_mse,
    pck,
    pck_auc,
    radial_error,
    success_detection_rate,
    to_pixels,
)

# Two samples, three landmarks; bounding boxes 8 x 6 and 4 x 20.
TARGET = torch.tensor([[[0.0, 0.0], [8.0, 1.0], [3.0, 6.0]], [[1.0, 1.0], [5.0, 21.0], [2.0, 3.0]]])
SHIFT = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]], [[1.0, 0.0], [0.0, 5.0], [-6.0, 8.0]]])
PREDICTION = TARGET + SHIFT
RADIAL = torch.tensor([[5.0, 0.0, 2.0], [1.0, 5.0, 10.0]])


def test_known_displacements() -> None:
    assert_close(radial_error(PREDICTION, TARGET), RADIAL)
    assert_close(hand_size(TARGET), torch.tensor([8.0, 20.0]))
    assert_close(nme(PREDICTION, TARGET), RADIAL / torch.tensor([[8.0], [20.0]]))
    assert_close(normalized_mse(PREDICTION, TARGET), torch.tensor([29 / 6, 126 / 6]))


def test_spacing_is_along_x_then_y_and_may_differ_by_sample() -> None:
    one = radial_error(PREDICTION, TARGET, spacing=(2.0, 0.5))
    assert_close(one[0], torch.tensor([math.hypot(6, 2), 0.0, 1.0]))
    each = radial_error(PREDICTION, TARGET, spacing=torch.tensor([[2.0, 0.5], [1.0, 3.0]]))
    assert_close(each[0], one[0])
    assert_close(each[1], torch.tensor([1.0, 15.0, math.hypot(6, 24)]))


def test_rates_count_errors_up_to_and_including_the_threshold() -> None:
    assert_close(success_detection_rate(RADIAL, (0.0, 1.0, 4.9, 5.0, 10.0)), torch.tensor([1, 2, 3, 5, 6]) / 6)
    assert_close(
        success_detection_rate(RADIAL, (1.0, 5.0), per_landmark=True),
        torch.tensor([[0.5, 0.5, 0.0], [1.0, 1.0, 0.5]]),
    )


def test_area_is_known_for_known_errors() -> None:
    errors = torch.tensor([[0.0, 0.1, 0.15], [0.2, 0.3, 0.05]])
    assert_close(pck_auc(errors, max_threshold=0.2), torch.tensor((1 + 0.5 + 0.25 + 0 + 0 + 0.75) / 6))
    assert_close(pck_auc(errors, 0.2, per_landmark=True), torch.tensor([0.5, 0.25, 0.5]))
    assert_close(pck_auc(errors), pck_auc(errors, 0.2))


def test_pixels_are_scaled_per_axis_or_per_sample() -> None:
    u = torch.full((2, 1, 2), 0.5)
    assert_close(to_pixels(u, (64, 32))[1, 0], torch.tensor([32.0, 16.0]))
    assert_close(to_pixels(u, torch.tensor([[64, 32], [10, 20]]))[1, 0], torch.tensor([5.0, 10.0]))


NAN = TARGET.clone()
NAN[1, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: radial_error(TARGET[0], TARGET[0]), r"prediction must have shape \(B, K, 2\), .* got \(3, 2\)"),
        (lambda: radial_error(TARGET, torch.zeros(2, 3, 4)), r"target must have shape \(B, K, 2\)"),
        (lambda: radial_error(TARGET, torch.zeros(2, 3, 3)), r"one shape, got \(2, 3, 2\) and \(2, 3, 3\)"),
        (lambda: radial_error(TARGET, TARGET[:, :2]), r"one shape, got \(2, 3, 2\) and \(2, 2, 2\)"),
        (lambda: radial_error(NAN, TARGET), r"prediction must be finite, but sample\(s\) \[1\]"),
        (lambda: normalized_mse(TARGET, NAN * torch.inf), r"target must be finite, but sample\(s\) \[0, 1\]"),
        (lambda: hand_size(TARGET * torch.inf), "target must be finite"),
        (lambda: radial_error(TARGET, TARGET, (1.0,)), r"spacing must have shape \(2,\) or \(2, 2\), got \(1,\)"),
        (lambda: radial_error(TARGET, TARGET, (1.0, 0.0)), r"spacing must be positive and finite, got \[1.0, 0.0\]"),
        (lambda: radial_error(*[torch.rand(2, 3, 3)] * 2, (1, 2)), r"must have shape \(3,\) or \(2, 3\), got \(2,\)"),
        (lambda: to_pixels(TARGET, (-1, 2)), "image_size must be positive"),
        (lambda: nme(TARGET, TARGET * torch.tensor([1.0, 0.0])[:, None, None]), r"is 0 in sample\(s\) \[1\]"),
        (lambda: success_detection_rate(RADIAL[0], (1.0,)), r"errors must have shape \(B, K\)"),
        (lambda: success_detection_rate(RADIAL[:0], (1.0,)), "not be empty"),
        (lambda: success_detection_rate(-RADIAL, (1.0,)), "errors must be finite and not negative"),
        (lambda: pck(RADIAL * torch.inf, (1.0,)), "errors must be finite"),
        (lambda: pck(RADIAL * torch.nan, (1.0,)), "Every landmark is missing"),
        (lambda: pck(RADIAL, ()), r"thresholds must be a non-empty list of numbers >= 0, got \(\)"),
        (lambda: pck(RADIAL, (-0.1,)), "thresholds must be a non-empty list"),
        (lambda: pck_auc(RADIAL, 0.0), "max_threshold must be positive and finite, got 0.0"),
        (lambda: pck_auc(RADIAL, math.inf), "max_threshold must be positive and finite, got inf"),
    ],
)
def test_wrong_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_missing_references_have_no_error_and_means_leave_them_out() -> None:
    errors = radial_error(TARGET + 1, NAN)
    assert errors.isnan().nonzero().tolist() == [[1, 0]]
    kept = [1, 2]
    assert_close(hand_size(NAN)[1:], hand_size(TARGET[1:, kept]))
    assert_close(normalized_mse(TARGET + 1, NAN)[1], normalized_mse(TARGET[:, kept] + 1, TARGET[:, kept])[1])
    assert_close(nme(TARGET + 1, NAN)[1, kept], nme(TARGET[:, kept] + 1, TARGET[:, kept])[1])
    by_hand = torch.tensor([[0.1, 0.3], [torch.nan, 0.3]])
    assert_close(pck(by_hand, (0.2,)), torch.tensor([1 / 3]))
    assert_close(pck(by_hand, (0.2,), per_landmark=True), torch.tensor([[1.0, 0.0]]))
    assert_close(pck_auc(by_hand, 0.2), torch.tensor(0.5 / 3))


def test_a_size_needs_two_landmarks_and_may_be_the_distance_of_two() -> None:
    alone = TARGET.clone()
    alone[0, 1:] = torch.nan
    assert hand_size(alone).isnan().tolist() == [True, False]
    assert_close(landmark_size(TARGET, (0, 2)), (TARGET[:, 0] - TARGET[:, 2]).norm(dim=1))
    assert landmark_size(NAN, (0, 2)).isnan().tolist() == [False, True]
    assert nme(TARGET, NAN, (0, 2))[1].isnan().all() and not nme(TARGET, NAN, (1, 2))[1, 1:].isnan().any()


def test_one_landmark_alone_is_measured_in_what_is_given() -> None:
    assert nme(TARGET[:, :1] + 3, TARGET[:, :1]).isnan().all()
    assert_close(nme(TARGET[:, :1] + torch.tensor([3.0, 4.0]), TARGET[:, :1], alone=50.0), torch.full((2, 1), 0.1))
    assert_close(nme(TARGET + 1, TARGET, alone=50.0), nme(TARGET + 1, TARGET)), "several have a size of their own"

"""What a calibration tells of disagreement and likelihood, and how it is kept."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration

MODEL = ErrorModel((-3.0, -1.5, -0.5, -2.0, 0.25), (1.0, 0.5, 0.25, 0.75, -0.125))
SIDE = torch.tensor([0.75, 0.25])
OTHER = ErrorModel((-2.0, -0.5, 0.0, 0.0, 0.0), (0.5, 0.75, 0.0, 0.0, 0.0))
DISAGREEMENT = torch.tensor([[0.1, 0.2], [0.01, 0.04]])


def test_values_by_hand() -> None:
    calibration = ScoreCalibration(MODEL, 0.1)
    mean = (math.log(0.01) + math.log(0.04)) / 2
    found = calibration.confidence(DISAGREEMENT, SIDE)[1, 0]
    assert_close(found, torch.tensor(-3 - 1.5 * math.log(0.01) - 0.5 * mean - 2 * 0.25 + 0.25 * 0.25 * mean).sigmoid())
    found = calibration.radius(DISAGREEMENT, SIDE)[1, 0]
    assert_close(found, torch.tensor(1 + 0.5 * math.log(0.01) + 0.25 * mean + 0.75 * 0.25 - 0.125 * 0.25 * mean).exp())


def test_what_it_goes_by_must_be_there() -> None:
    calibration = ScoreCalibration(MODEL, 0.1, one_look=OTHER)
    for told in (calibration.confidence, calibration.radius):
        with pytest.raises(ValueError, match="goes by how much speaks for the other side: pass other_side"):
            told(DISAGREEMENT)
        assert told(DISAGREEMENT, one_look=True).shape == (2, 2), "that of one look does not go by it"


def test_it_tells_whether_it_goes_by_the_other_side() -> None:
    without = ErrorModel((-3.0, -1.5, -0.5, 0.0, 0.0), (1.0, 0.5, 0.25, 0.0, 0.0))
    assert not ScoreCalibration(without, 0.1).needs_other_side
    assert not ScoreCalibration(without, 0.1, one_look=without).needs_other_side
    for place in (3, 4):
        for name in ("confidence", "radius"):
            weights = [*getattr(without, name)]
            weights[place] = -0.1
            going = replace(without, **{name: tuple(weights)})
            assert ScoreCalibration(going, 0.1).needs_other_side
            assert ScoreCalibration(without, 0.1, one_look=going).needs_other_side


def test_an_image_does_not_depend_on_those_beside_it() -> None:
    calibration = ScoreCalibration(MODEL, 0.1, label_error=0.03)
    for told in (calibration.confidence, calibration.radius):
        assert_close(told(DISAGREEMENT, SIDE)[1:], told(DISAGREEMENT[1:], SIDE[1:]))


def test_one_look_has_numbers_of_its_own() -> None:
    both = ScoreCalibration(MODEL, 0.1, one_look=OTHER)
    assert both.knows_one_look
    assert_close(both.confidence(DISAGREEMENT, one_look=True), (-2 - 0.5 * DISAGREEMENT.log()).sigmoid())
    assert_close(both.radius(DISAGREEMENT, one_look=True), (0.5 + 0.75 * DISAGREEMENT.log()).exp())
    for told in (ScoreCalibration(MODEL, 0.1).confidence, ScoreCalibration(MODEL, 0.1).radius):
        with pytest.raises(ValueError, match="knows no confidence of a single forward pass: make it anew"):
            told(DISAGREEMENT, SIDE, one_look=True)


def test_a_radius_holds_the_error_of_the_labels_too() -> None:
    """Places that labels miss by a mean of 4 % are found within the radius as often as it says."""
    torch.manual_seed(0)
    spread = 0.1 / math.sqrt(-2 * math.log(0.1))  # 90 % of the errors against labels are within 0.1
    flat = ErrorModel((0.0, -1.0, 0.0, 0.0, 0.0), (math.log(0.1), 0.0, 0.0, 0.0, 0.0))
    of_labels = 0.04 / math.sqrt(math.pi / 2)
    errors = (spread * torch.randn(200000, 2) + of_labels * torch.randn(200000, 2)).norm(dim=1)
    radius = float(ScoreCalibration(flat, 0.1, label_error=0.04).radius(DISAGREEMENT)[0, 0])
    assert (errors <= radius).double().mean() == pytest.approx(0.9, abs=0.003)
    assert (errors <= 0.1).double().mean() < 0.85, "vacuous: the labels' error changes nothing"


def test_what_lies_beyond_is_told_on_all_sides() -> None:
    calibration = ScoreCalibration(MODEL, 0.1, None, bits_range=(2.0, 5.0), largest_disagreement=0.05)
    far, near = DISAGREEMENT.expand(2, 2), torch.tensor([[0.01, 0.02]] * 5)
    assert calibration.beyond(far).tolist() == [True, False], "the mean over the landmarks decides"
    bits = torch.tensor([2.0, 5.0, 1.99, 5.01, float("nan")])
    assert calibration.beyond(near, bits).tolist() == [False, False, True, True, True]
    assert not ScoreCalibration(MODEL, 0.1).beyond(far, bits[:2]).any(), "nothing is known of where it ends"


def test_domain_shift_counts_standard_deviations_on_both_sides() -> None:
    calibration = ScoreCalibration(MODEL, 0.1, bits_mean=4.0, bits_std=0.5)
    assert_close(calibration.domain_shift(torch.tensor([4.0, 5.0, 3.0])), torch.tensor([0.0, 2.0, 2.0]))
    with pytest.raises(ValueError, match="made without a flow"):
        ScoreCalibration(MODEL, 0.1).domain_shift(torch.ones(2))


def test_it_holds_for_its_weights_its_flow_and_its_copies() -> None:
    calibration = ScoreCalibration(
        MODEL, 0.1, bits_mean=4.0, bits_std=1.0, weights="a", flow_weights="f", copies={"n": 1}
    )
    assert calibration.fits("a") and not calibration.fits("b") and not calibration.fits("")
    assert calibration.fits_flow("f") and not calibration.fits_flow("g") and not calibration.fits_flow("")
    assert ScoreCalibration(MODEL, 0.1).fits_flow("any"), "one that was made without a flow asks for none"
    assert not ScoreCalibration(MODEL, 0.1, bits_mean=4.0, bits_std=1.0).fits_flow(""), "it does not say which"
    assert not calibration.other_copies({"n": 1}) and calibration.other_copies({"n": 2}) == "n 1, not 2"


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    for calibration in (
        ScoreCalibration(MODEL, 0.1),
        ScoreCalibration(
            MODEL, 0.2, OTHER, 0.8, 0.03, 3.5, 0.25, (1.0, 7.5), 0.3, 0.95, {"far": 0.9}, "a", "b", {"n": 8}
        ),
    ):
        calibration.save(tmp_path / "c.json")
        assert ScoreCalibration.load(tmp_path / "c.json") == calibration


@pytest.mark.parametrize(
    "content",
    [
        None,
        "[1]",
        '{"slope": 1}',
        "no json",
        '{"tolerance": 0.1, "refined": {"confidence": [1, 2, 3, 4], "radius": [1, 2, 3, 4, 5]}}',
        '{"tolerance": 0.1, "refined": {"confidence": [1, 2, 3, 4, "5"], "radius": [1, 2, 3, 4, 5]}}',
        '{"tolerance": 0.1, "refined": {"confidence": [1, 2, 3, 4, 5]}}',
        '{"tolerance": 0.1, "refined": {"confidence": [1, 2, 3, 4, 5], "radius": [1, 2, 3, 4, 5]}, "bits_range": [1]}',
        '{"tolerance": "0.1", "refined": {"confidence": [1, 2, 3, 4, 5], "radius": [1, 2, 3, 4, 5]}}',
        '{"tolerance": NaN, "refined": {"confidence": [1, 2, 3, 4, 5], "radius": [1, 2, 3, 4, 5]}}',
        '{"tolerance": 0.1, "refined": {"confidence": [1, 2, 3, 4, 1e999], "radius": [1, 2, 3, 4, 5]}}',
        '{"tolerance": 0.1, "refined": {"confidence": [1, 2, 3, 4, 5], "radius": [1, 2, 3, 4, 5]}, "copies": [1]}',
        '{"tolerance": 0.1, "refined": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_files_that_are_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"No calibration can be read from .*c\.json.*calibrate\.yaml"):
        ScoreCalibration.load(path)


def test_one_row_of_landmarks_is_no_batch() -> None:
    with pytest.raises(ValueError, match=r"disagreement must have shape \(B, K\), got \(2,\)"):
        ScoreCalibration(MODEL, 0.1).confidence(DISAGREEMENT[0], SIDE[:1])

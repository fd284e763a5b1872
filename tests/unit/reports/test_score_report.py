"""What confidence and domain shift are worth, on predictions whose errors are known."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from PIL import Image
from torch import Tensor

from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.metrics.calibration_fit import ObservedErrors, fit_calibration
from monai_degia.reports.calibration_file import CalibrationWriter
from monai_degia.reports.collecting import CollectingWriter
from monai_degia.reports.score_report import ScoreReport

COUNT = 200
BOX = torch.tensor([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])  # a hand of 0.8 sides


def run(writer: CollectingWriter, error: Tensor, domains: list[str], **scores: Tensor) -> None:
    """One batch of images of 10 x 10 pixels whose first landmark is off by ``error`` hand sizes along x."""
    label = BOX.expand(len(error), 3, 2)
    prediction = label.clone()
    prediction[:, 0, 0] += 0.8 * error
    output = {"pred": prediction, "label": label, **scores}
    engine = Engine(lambda engine, batch: output)
    writer.attach(engine)
    engine.run([{"image": torch.zeros(len(error), 1, 10, 10), "domain": domains}], max_epochs=1)


def three(values: Tensor) -> Tensor:
    """The first landmark's value beside two that are sure."""
    return torch.stack([values, torch.full_like(values, 0.99), torch.full_like(values, 0.98)], 1)


def test_bins_and_areas(tmp_path: Path) -> None:
    error = torch.rand(COUNT) * 0.4
    domains = ["photo", "xray"] * (COUNT // 2)
    shift = torch.tensor([0.0, 3.0]).repeat(COUNT // 2) + torch.rand(COUNT)
    run(ScoreReport(tmp_path, "photo"), error, domains, confidence=three(1 - 2 * error), domain_shift=shift)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores) == ["photo", "xray"] and scores["xray"]["count"] == COUNT // 2
    for values in scores.values():
        assert values["auroc_confidence"] == pytest.approx(1.0), "the confidence orders errors perfectly"
        assert values["confidence"] == sorted(values["confidence"])
        assert values["error"][0] == pytest.approx(0.5 - values["confidence"][0] / 2, abs=1e-5)
    assert scores["xray"]["auroc_domain_shift"] == 1.0 and "auroc_domain_shift" not in scores["photo"]
    assert Image.open(tmp_path / "confidence.png").size == (900, 600)


def test_a_confidence_that_says_nothing_has_an_area_of_a_half(tmp_path: Path) -> None:
    error, domains = torch.rand(4 * COUNT) * 0.2, ["photo"] * (4 * COUNT)
    confidence = torch.rand(4 * COUNT, 3)
    error_first_only = confidence.clone()
    run(ScoreReport(tmp_path, "photo"), error, domains, confidence=error_first_only)
    (scores,) = json.loads((tmp_path / "scores.json").read_text()).values()
    assert scores["auroc_confidence"] == pytest.approx(0.5, abs=0.06)
    assert "auroc_domain_shift" not in scores


def test_without_a_large_error_there_is_no_area(tmp_path: Path) -> None:
    run(ScoreReport(tmp_path, "photo"), torch.zeros(4), ["photo"] * 4, confidence=torch.rand(4, 3))
    (scores,) = json.loads((tmp_path / "scores.json").read_text()).values()
    assert scores["auroc_confidence"] is None


def test_withheld_images_count_for_nothing_but_themselves(tmp_path: Path) -> None:
    error = torch.linspace(0, 0.4, COUNT)
    confidence, radius = three(1 - 2 * error), torch.full((COUNT, 3), 0.1)
    run(ScoreReport(tmp_path / "all", "photo"), error, ["photo"] * COUNT, confidence=confidence, radius=radius)
    confidence, radius = confidence.repeat(2, 1), radius.repeat(2, 1)
    confidence[COUNT:] = radius[COUNT:] = torch.nan
    scores = {"confidence": confidence, "radius": radius}
    run(ScoreReport(tmp_path / "half", "photo"), error.repeat(2), ["photo"] * 2 * COUNT, **scores)
    one, half = (json.loads((tmp_path / name / "scores.json").read_text())["photo"] for name in ("all", "half"))
    assert (one.pop("withheld"), half.pop("withheld")) == (0, 0.5)
    assert (one.pop("count"), half.pop("count")) == (COUNT, 2 * COUNT)
    assert one == half
    run(ScoreReport(tmp_path, "photo"), error, ["photo"] * COUNT, confidence=torch.full((COUNT, 3), torch.nan))
    assert json.loads((tmp_path / "scores.json").read_text()) == {"photo": {"count": COUNT, "withheld": 1.0}}


def test_coverage_is_the_share_within_the_radius_of_the_hand_that_was_found(tmp_path: Path) -> None:
    """The first landmark is too far out by 0.05 of the hand, which is so found larger: 0.0476 of what was found."""
    error = torch.full((COUNT,), -0.05)
    radius = torch.full((COUNT, 3), 0.049)
    radius[: COUNT // 4] = 0.047
    scores = {"confidence": torch.rand(COUNT, 3), "radius": radius}
    run(ScoreReport(tmp_path, "photo"), error, ["photo"] * COUNT, **scores)
    (found,) = json.loads((tmp_path / "scores.json").read_text()).values()
    assert found["coverage"] == pytest.approx(1 - 0.25 / 3) and found["radius"] == pytest.approx(0.049)


def test_the_calibration_error_is_how_far_confidence_and_frequency_are_apart(tmp_path: Path) -> None:
    error = torch.where(torch.rand(20 * COUNT) < 0.6, 0.05, 0.3)
    sure = three(torch.full_like(error, 0.9))
    sure[:, 1:] = 0.9
    run(ScoreReport(tmp_path, "photo"), error, ["photo"] * len(error), confidence=sure)
    (found,) = json.loads((tmp_path / "scores.json").read_text()).values()
    assert found["ece"] == pytest.approx(abs(0.9 - (0.6 + 2) / 3), abs=0.02)


def test_calibration_takes_bits_of_images_as_they_are_alone(tmp_path: Path) -> None:
    """Shifted copies count for confidence and radius; what is usual for the flow is told by the source."""
    error = torch.rand(COUNT) * 0.2
    domains = ["photo", "photo, dark"] * (COUNT // 2)
    bits = torch.tensor([4.0, 9.0]).repeat(COUNT // 2) + torch.rand(COUNT)
    scores: dict[str, Any] = {"disagreement": 0.01 + torch.rand(COUNT, 3), "bits_per_dim": bits}
    run(CalibrationWriter(tmp_path, ["photo"]), error, domains, **scores)
    calibration = ScoreCalibration.load(tmp_path / "calibration.json")
    assert calibration.bits_mean == pytest.approx(float(bits[::2].mean()))
    assert calibration.bits_std == pytest.approx(float(bits[::2].std()))
    assert (calibration.bits_range or (0, 0))[1] > 9.5 and list(calibration.left_out or {}) == ["dark"]
    assert not calibration.knows_one_look
    del scores["bits_per_dim"]
    run(CalibrationWriter(tmp_path, ["photo"]), error, domains, **scores)
    assert ScoreCalibration.load(tmp_path / "calibration.json").bits_mean is None


def test_calibration_fits_one_look_where_the_output_holds_it(tmp_path: Path) -> None:
    disagreement = torch.exp(torch.randn(4000) - 2.5)
    refined, one_look = (
        torch.where(torch.rand(4000) < torch.sigmoid(a - 2 * disagreement.log()), 0.05, 0.3) for a in (-4.0, -6.0)
    )
    points = BOX.expand(4000, 3, 2).clone()
    points[:, 0, 0] += 0.8 * one_look
    scores = {"disagreement": three(disagreement), "one_look": points}
    run(CalibrationWriter(tmp_path, ["photo"], label_error=0.02), refined, ["photo"] * 4000, **scores)
    calibration = ScoreCalibration.load(tmp_path / "calibration.json")
    still = torch.zeros(4000)  # the two other landmarks: found exactly, by both ways
    assert calibration.label_error == 0.02
    for one, error in ((False, refined), (True, one_look)):
        errors = torch.stack([error, still, still], 1)
        expected = fit_calibration(three(disagreement), ObservedErrors(errors, errors), label_error=0.02)
        found = calibration.confidence(three(disagreement), one_look=one)
        torch.testing.assert_close(found, expected.confidence(three(disagreement)), atol=1e-3, rtol=0)


def test_a_landmark_without_a_label_is_in_no_figure(tmp_path: Path) -> None:
    error = torch.linspace(0, 0.4, 50)
    label = BOX.expand(50, 3, 2).clone()
    prediction = label.clone()
    prediction[:, 0, 0] += 0.8 * error
    scores = {"confidence": three(1 - 2 * error), "radius": torch.full((50, 3), 0.2)}
    for folder, shown in (("whole", label), ("partial", label.clone())):
        if folder == "partial":
            shown[:, 2] = torch.nan  # the third landmark, which is always found
        output = {"pred": prediction, "label": shown, **scores}
        engine = Engine(lambda engine, batch, output=output: output)
        ScoreReport(tmp_path / folder, "photo").attach(engine)
        engine.run([{"image": torch.zeros(50, 1, 10, 10), "domain": ["photo"] * 50}], max_epochs=1)
    whole, partial = (json.loads((tmp_path / f / "scores.json").read_text())["photo"] for f in ("whole", "partial"))
    held = int((error <= 0.2 + 1e-6).sum())
    assert whole["coverage"] == pytest.approx((held + 100) / 150, abs=0.01)
    assert partial["coverage"] < whole["coverage"] and partial["auroc_confidence"] == pytest.approx(1.0)

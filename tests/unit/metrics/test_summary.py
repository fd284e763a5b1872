import json

import pytest
import torch
from torch import Tensor

from monai_degia.metrics.errors import radial_error, to_pixels
from monai_degia.metrics.landmark_metrics import (
    LandmarkMSEMetric,
    MeanRadialErrorMetric,
    NormalizedMeanErrorMetric,
    PCKAUCMetric,
    PCKMetric,
)
from monai_degia.metrics.summary import summarize_landmarks

SIZE, NAMES = (96, 64), ["wrist", "index_tip", "thumb_tip", "little_tip"]
DOMAINS = ["xray", "photo", "xray", "photo", "photo"]


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    target = torch.rand(5, 4, 2)
    return target + 0.04 * torch.randn(5, 4, 2), target


def test_each_domain_agrees_with_the_metric_classes(pair: tuple[Tensor, Tensor]) -> None:
    summary = summarize_landmarks(*pair, SIZE, NAMES, DOMAINS, pck_thresholds=(0.05, 0.1))
    assert list(summary) == ["xray", "photo"]
    for domain, entry in summary.items():
        rows = [row for row, value in enumerate(DOMAINS) if value == domain]
        metrics = {
            "mse": LandmarkMSEMetric(),
            "mre_px": MeanRadialErrorMetric(SIZE),
            "nme": NormalizedMeanErrorMetric(SIZE),
            "auc": PCKAUCMetric(SIZE),
        }
        for key, metric in metrics.items():
            metric(pair[0][rows], pair[1][rows])
            assert entry[key] == pytest.approx(metric.aggregate().item(), rel=1e-4)
        assert list(entry["nme_per_landmark"]) == NAMES
        each = metrics["nme"].aggregate("landmark").tolist()
        assert list(entry["nme_per_landmark"].values()) == pytest.approx(each, rel=1e-4)
        curve = PCKMetric(SIZE, (0.05, 0.1))
        curve(pair[0][rows], pair[1][rows])
        assert entry["pck"] == {"thresholds": [0.05, 0.1], "rates": pytest.approx(curve.aggregate().tolist())}
        assert entry["count"] == len(rows)
        assert (entry["count_mm"], entry["mre_mm"], entry["sdr"]) == (0, None, None)


def test_millimetres_only_over_samples_with_a_spacing() -> None:
    target = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0))
    prediction = target + torch.tensor([[[10 / 96, 0.0]], [[0.0, 10 / 64]], [[0.0, 20 / 64]]])
    entry = summarize_landmarks(
        prediction, target, SIZE, NAMES, ["xray"] * 3, spacing=[(0.1, 9.0), None, torch.tensor([9.0, 0.2])]
    )["xray"]
    assert entry["count_mm"] == 2
    assert entry["mre_mm"] == pytest.approx((1.0 + 4.0) / 2, rel=1e-5)
    assert entry["sdr"]["thresholds_mm"] == [2.0, 2.5, 3.0, 4.0, 10.0]
    assert entry["sdr"]["rates"][:3] == [0.5, 0.5, 0.5] and entry["sdr"]["rates"][4] == 1.0
    assert entry["mre_px"] == pytest.approx(40 / 3, rel=1e-5)


def test_result_is_json_and_lists_of_samples_equal_one_tensor(pair: tuple[Tensor, Tensor]) -> None:
    spacing = [(0.1, 0.2)] * 5
    whole = summarize_landmarks(*pair, SIZE, NAMES, DOMAINS, spacing)
    lists = summarize_landmarks(list(pair[0]), list(pair[1].numpy()), SIZE, NAMES, DOMAINS, spacing)
    assert json.loads(json.dumps(whole, allow_nan=False)) == lists


def test_landmarks_without_a_label_are_counted_and_left_out(pair: tuple[Tensor, Tensor]) -> None:
    prediction, target = pair
    partial = target.clone()
    partial[:, 1] = torch.nan
    found = summarize_landmarks(prediction, partial, SIZE, NAMES, DOMAINS)
    others = [0, *range(2, len(NAMES))]
    kept = summarize_landmarks(prediction[:, others], target[:, others], SIZE, [NAMES[i] for i in others], DOMAINS)
    for domain, values in found.items():
        assert values["missing"] == values["count"] and kept[domain]["missing"] == 0
        assert values["nme"] == pytest.approx(kept[domain]["nme"]) and values["mse"] == pytest.approx(
            kept[domain]["mse"]
        )
        assert values["nme_per_landmark"][NAMES[1]] is None
    json.dumps(found, allow_nan=False)


def test_errors_are_measured_in_the_size_of_the_set(pair: tuple[Tensor, Tensor]) -> None:
    by_box = summarize_landmarks(*pair, SIZE, NAMES, DOMAINS)
    by_ends = summarize_landmarks(*pair, SIZE, {"names": NAMES, "size": [NAMES[0], NAMES[2]]}, DOMAINS)
    error = radial_error(*(to_pixels(part.double(), SIZE) for part in pair))
    target = to_pixels(pair[1].double(), SIZE)
    rows = [index for index, domain in enumerate(DOMAINS) if domain == DOMAINS[0]]
    wanted = (error / (target[:, 0] - target[:, 2]).norm(dim=1, keepdim=True))[rows].mean()
    assert by_ends[DOMAINS[0]]["nme"] == pytest.approx(float(wanted))
    assert by_ends[DOMAINS[0]]["mse"] == by_box[DOMAINS[0]]["mse"]


P = torch.rand(2, 4, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: summarize_landmarks([P[0], P[1, :3]], [P[0], P[1, :3]], SIZE, NAMES, ["a", "b"]),
            r"predictions of domain 'b' must have shape \(4, 2\), one row a name, got \[\(3, 2\)\]",
        ),
        (lambda: summarize_landmarks(P, P, SIZE, NAMES, ["a"]), "'predictions': 2.*for 1 domains"),
        (lambda: summarize_landmarks(P, P[:1], SIZE, NAMES, ["a", "b"]), "'targets': 1"),
        (lambda: summarize_landmarks(P, P, SIZE, NAMES, ["a", "b"], [None]), "'spacing': 1"),
        (lambda: summarize_landmarks(P[:0], P[:0], SIZE, NAMES, []), "Every sample needs one entry"),
        (lambda: summarize_landmarks(P, P, SIZE, ["a"] * 4, ["a", "b"]), "must differ, but these are repeated: a"),
        (lambda: summarize_landmarks(P * float("nan"), P, SIZE, NAMES, ["a", "b"]), "must be finite"),
        (
            lambda: summarize_landmarks(P, P, SIZE, NAMES, ["a", "b"], [None, (1.0,)]),
            r"two numbers \(x, y\) or None, got \[\(1.0,\)\]",
        ),
        (lambda: summarize_landmarks(P, P, SIZE, NAMES, ["a", "b"], [(1.0, 0.0)] * 2), "spacing must be positive"),
    ],
)
def test_wrong_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

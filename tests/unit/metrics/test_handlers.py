import monai.handlers
import monai.metrics
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from monai.handlers import from_engine

from monai_degia.metrics import handlers, landmark_metrics
from monai_degia.metrics.handlers import (
    PCKAUC,
    LandmarkMSE,
    MeanRadialError,
    NormalizedMeanError,
    PercentageOfCorrectKeypoints,
    SuccessDetectionRate,
)

SIZE, STEP = (64, 32), 0.0625
# A network that returns landmarks moved by 1/16 of the width: 4 pixels, on hands 48 pixels wide (see `samples`).
HANDLERS = {
    "mse": (lambda **k: LandmarkMSE(**k), STEP**2 / 2),
    "mre px": (lambda **k: MeanRadialError(SIZE, **k), 4.0),
    "mre mm": (lambda **k: MeanRadialError(SIZE, spacing=(0.5, 9.0), **k), 2.0),
    "nme": (lambda **k: NormalizedMeanError(SIZE, **k), 4 / 48),
    "sdr px": (lambda **k: SuccessDetectionRate(SIZE, threshold_px=4.5, **k), 1.0),
    "sdr mm": (lambda **k: SuccessDetectionRate(SIZE, threshold_mm=1.5, spacing=(0.5, 0.5), **k), 0.0),
    "pck": (lambda **k: PercentageOfCorrectKeypoints(SIZE, **k), 1.0),
    "auc": (lambda **k: PCKAUC(SIZE, max_threshold=1 / 6, **k), 0.5),
}


def samples(count: int) -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    landmarks = [torch.rand(5, 2) * 0.5 + 0.125 for _ in range(count)]
    for points in landmarks:
        points[0, 0], points[1, 0] = 0.125, 0.875
    return [{"image": points, "label": points} for points in landmarks]


@pytest.mark.parametrize("decollate", [False, True])
@pytest.mark.parametrize(("make", "expected"), HANDLERS.values(), ids=HANDLERS.keys())
def test_evaluator_of_monai_gets_one_number(make, expected: float, decollate: bool) -> None:
    class Shift(torch.nn.Module):
        def forward(self, landmarks: torch.Tensor) -> torch.Tensor:
            return landmarks + torch.tensor([STEP, 0.0])

    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(samples(5), batch_size=2),
        network=Shift(),
        key_val_metric={"key": make(output_transform=from_engine(["pred", "label"]))},
        decollate=decollate,
    )
    for _ in range(2):
        evaluator.run()
        assert isinstance(evaluator.state.metrics["key"], float)
        assert evaluator.state.metrics["key"] == pytest.approx(expected, abs=1e-5)
    assert evaluator.state.metric_details["key"].shape == (5, 5)
    assert evaluator.state.best_metric == pytest.approx(expected, abs=1e-5)


def test_config_builds_a_handler() -> None:
    config = {
        "_target_": "monai_degia.metrics.handlers.MeanRadialError",
        "image_size": [64, 32],
        "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
    }
    handler = ConfigParser({"imports": ["$import monai"], "key": config}).get_parsed_content("key")
    handler.update([torch.zeros(1, 2, 2), torch.full((1, 2, 2), 0.5) + torch.tensor([[0.0], [0.25]])])
    assert isinstance(handler, MeanRadialError)
    assert handler.metric_fn.aggregate() == pytest.approx((1280**0.5 + 2880**0.5) / 2)


@pytest.mark.parametrize("module", [handlers, landmark_metrics])
def test_no_name_of_monai_is_taken(module) -> None:
    ours = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    assert len(ours) >= 6
    assert not ours & {*dir(monai.handlers), *dir(monai.metrics)}

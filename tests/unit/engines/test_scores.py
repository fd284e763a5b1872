"""What an evaluator tells without a label."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.inferers import Inferer, SimpleInferer
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.engines.batches import PrepareLandmarkBatch
from monai_degia.engines.evaluator import LandmarkEvaluator
from monai_degia.engines.scores import ScoresHandler
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.flows.source_likelihood import source_bits_per_dim
from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.metrics.calibration import ErrorModel, ScoreCalibration

MODEL = ErrorModel((-3.0, -1.5, -0.5, -2.0, 0.25), (1.0, 0.5, 0.25, 0.75, -0.125))
OTHER = ErrorModel((-2.0, -0.5, 0.0, 0.0, 0.0), (0.5, 0.75, 0.0, 0.0, 0.0))


class Network(nn.Module):
    """Landmarks out of the image, with a layer that behaves otherwise in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 6), nn.Unflatten(1, (3, 2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def output(handler: ScoresHandler, images: Tensor, **others: Any) -> dict[str, Any]:
    engine = Engine(lambda engine, batch: {"image": batch, **others})
    handler.attach(engine)
    engine.run([images], max_epochs=1)
    return engine.state.output


def evaluated(
    network: nn.Module, images: Tensor, inferer: Inferer, handlers: Sequence[ScoresHandler] = ()
) -> dict[str, Any]:
    evaluator = LandmarkEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": images}],
        network=network,
        inferer=inferer,
        prepare_batch=PrepareLandmarkBatch(),
        val_handlers=list(handlers),
        decollate=False,
    )
    evaluator.run()
    return evaluator.state.output


def test_scores_reach_the_output(make_flow: Callable[..., FlowPrior]) -> None:
    network, flow, images = Network().train(), make_flow(), torch.rand(5, 1, 8, 8)
    calibration = ScoreCalibration(MODEL, 0.1, bits_mean=6.0, bits_std=0.5)
    inferer = SelfConsistentInferer(num_views=6)
    found = evaluated(network, images, inferer, [ScoresHandler(network, flow, calibration)])
    expected = inferer.predict(images, network.eval())
    assert_close(found["pred"], expected.landmarks)
    assert_close(found["disagreement"], expected.disagreement)
    side = inferer.predict(images, network, judge_side=True).other_side
    assert_close(found["confidence"], calibration.confidence(expected.disagreement, side))
    assert_close(found["radius"], calibration.radius(expected.disagreement, side))
    assert_close(found["bits_per_dim"], source_bits_per_dim(flow, images))
    assert_close(found["domain_shift"], (found["bits_per_dim"] - 6).abs() / 0.5)


def test_the_network_is_shown_no_image_that_nobody_asked_for() -> None:
    class Counting(Network):
        shown = 0

        def forward(self, x: Tensor) -> Tensor:
            self.shown += len(x)
            return super().forward(x)

    both_sides = ScoreCalibration(ErrorModel((0.0, -1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0)), 0.1)
    for calibration in (None, both_sides):
        network, inferer = Counting(), SelfConsistentInferer(num_views=6)
        evaluated(network, torch.rand(5, 1, 8, 8), inferer, [ScoresHandler(network, calibration=calibration)])
        assert network.shown == 5 * inferer.num_passes == 30
    network.shown = 0
    evaluated(network, torch.rand(5, 1, 8, 8), inferer, [ScoresHandler(network, one_look=True)])
    assert network.shown == 35
    network.shown = 0
    evaluated(network, torch.rand(5, 1, 8, 8), SimpleInferer())
    assert network.shown == 5


def test_confidence_is_that_of_the_landmarks_that_are_put_out() -> None:
    network, images, inferer = Network().train(), torch.rand(5, 1, 8, 8), SelfConsistentInferer(num_views=6)
    both = ScoreCalibration(MODEL, 0.1, one_look=OTHER)
    first = network.eval()(images)
    network.train()
    found = output(ScoresHandler(network, None, both, inferer), images, pred=first)
    assert network.training, "the network's mode was not put back"
    assert found["pred"] is first
    assert_close(found["confidence"], both.confidence(found["disagreement"], one_look=True))
    assert_close(found["radius"], both.radius(found["disagreement"], one_look=True))
    found = output(ScoresHandler(network, None, ScoreCalibration(MODEL, 0.1), inferer), images)
    assert not {"confidence", "radius"} & set(found), "those of refined landmarks, beside those of one look"


def test_beyond_what_was_calibrated_nothing_is_told_but_the_shift(make_flow: Callable[..., FlowPrior]) -> None:
    network, flow, images = Network().eval(), make_flow(), torch.rand(6, 1, 8, 8)
    bits = source_bits_per_dim(flow, images)
    usual = bits <= bits.median()
    calibration = ScoreCalibration(
        MODEL, 0.1, OTHER, bits_mean=6.0, bits_std=0.5, bits_range=(float(bits.min()), float(bits.median()))
    )
    found = output(ScoresHandler(network, flow, calibration, SelfConsistentInferer(num_views=6)), images)
    for key in ("confidence", "radius"):
        assert found[key][usual].isfinite().all() and found[key][~usual].isnan().all() and not usual.all()
    assert found["domain_shift"].isfinite().all()
    found = output(ScoresHandler(network, None, calibration, SelfConsistentInferer(num_views=6)), images)
    assert not {"confidence", "radius"} & set(found), "without the flow nobody knows what lies beyond"


def test_one_look_stands_beside_the_refined_landmarks_if_asked() -> None:
    network, images, inferer = Network().eval(), torch.rand(5, 1, 8, 8), SelfConsistentInferer(num_views=6)
    found = evaluated(network, images, inferer, [ScoresHandler(network, one_look=True)])
    assert_close(found["one_look"], network(images))
    assert not torch.allclose(found["pred"], found["one_look"])


def test_the_side_is_found_unless_the_file_tells_it() -> None:
    network, values = Network().eval(), torch.rand(6, 1, 8, 8)
    inferer = SelfConsistentInferer(num_views=6, either_side=True, side_factor=1e-9)  # prefers the mirror always
    told = MetaTensor(values, meta={"thumb_side": ["left", "", "right", "", "", ""]})
    found = evaluated(network, told, inferer)
    assert found["mirrored"].tolist() == [False, True, False, True, True, True]
    expected = inferer.predict(values, network, side_known=torch.tensor([True, False, True, False, False, False]))
    assert_close(found["pred"], expected.landmarks)
    assert evaluated(network, values, inferer)["mirrored"].all()
    assert "mirrored" not in evaluated(network, values, SelfConsistentInferer(num_views=6))


def test_what_is_not_given_is_not_told(make_flow: Callable[..., FlowPrior]) -> None:
    images = torch.rand(2, 1, 8, 8)
    assert set(output(ScoresHandler(Network()), images)) == {"image", "disagreement"}
    assert set(output(ScoresHandler(Network(), make_flow()), images)) == {"image", "disagreement", "bits_per_dim"}


def test_bits_are_those_of_the_class_that_fits_best(make_flow: Callable[..., FlowPrior]) -> None:
    flow, images = make_flow(num_classes=3).eval(), torch.rand(16, 1, 8, 8)
    middle = (images * 255 + 0.5) / 256
    with torch.no_grad():
        each = torch.stack([flow.bits_per_dim(middle, torch.full((16,), c)) for c in range(3)])
    assert len(set(each.argmin(0).tolist())) > 1, "vacuous: one class fits all images best"
    assert_close(source_bits_per_dim(flow, images), each.amin(0))
    assert torch.equal(source_bits_per_dim(flow, images), source_bits_per_dim(flow, images))


@pytest.mark.parametrize("training", [True, False])
def test_the_flow_keeps_its_mode(make_flow: Callable[..., FlowPrior], training: bool) -> None:
    flow = make_flow().train(training)
    source_bits_per_dim(flow, torch.rand(2, 1, 8, 8))
    assert flow.training is training

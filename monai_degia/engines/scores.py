"""What an evaluator can tell of a prediction without its label: confidence, and the distance from the source domain."""

from __future__ import annotations

from ignite.engine import Engine, Events
from monai.networks import eval_mode
from monai.utils import CommonKeys, convert_to_tensor
from torch import nn

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.inferers.frames import Frames
from monai_degia.inferers.self_consistent import SelfConsistentInferer
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.model.scoring import add_scores
from monai_degia.results.keys import DeGIAKeys

__all__ = ["ScoresHandler"]


class ScoresHandler:
    """Add to an evaluator's output ``disagreement`` (B, K) and, with a flow, ``bits_per_dim`` (B,).

    With a calibration also ``confidence`` and ``radius`` (B, K), of the landmarks in the output, and, with a flow,
    ``domain_shift`` (B,), which :class:`monai_degia.LandmarkFileWriter` writes. Where a
    :class:`monai_degia.LandmarkEvaluator` has left the disagreement of the copies that its landmarks come from, that is
    taken; else the landmarks are those of a single forward pass, and views give their disagreement alone. A calibration
    that was fitted to refined landmarks says nothing of those of a single pass. Attach it before what reads the scores.

    Args:
        network: the task network.
        flow: the flow prior, trained on source images.
        calibration: fitted on validation images of the source; ``None`` while it is made.
        inferer: predicts from several views where the evaluator has not.
        one_look: also add ``one_look`` (B, K, 2), the prediction for the image as it is.

    """

    def __init__(
        self,
        network: nn.Module,
        flow: FlowPrior | None = None,
        calibration: ScoreCalibration | None = None,
        inferer: SelfConsistentInferer | None = None,
        one_look: bool = False,
    ) -> None:
        self.network, self.flow, self.calibration = network, flow, calibration
        self.inferer, self.one_look = inferer or SelfConsistentInferer(), one_look

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Score the batch."""
        output = engine.state.output
        images = convert_to_tensor(output[CommonKeys.IMAGE], track_meta=False)
        refined = DeGIAKeys.DISAGREEMENT in output
        with eval_mode(self.network):
            if not refined:
                output[DeGIAKeys.DISAGREEMENT] = self.inferer.predict(images, self.network).disagreement
            if self.one_look:
                size = self.inferer.image_size or images.shape[2:]
                output[DeGIAKeys.ONE_LOOK] = self.network(Frames.whole(images).cut(images, size))
            asks = self.calibration is not None and self.calibration.needs_other_side
            if asks and DeGIAKeys.OTHER_SIDE not in output:
                output[DeGIAKeys.OTHER_SIDE] = self._asked(engine).other_side(images, self.network)
        add_scores(output, images, self.flow, self.calibration, one_look=not refined)

    def _asked(self, engine: Engine) -> SelfConsistentInferer:
        """Whose copies the disagreement is of."""
        own = getattr(engine, "inferer", None)
        return own if isinstance(own, SelfConsistentInferer) else self.inferer

"""The minimisation phase: task network and flow prior, each with its own optimiser (Eq. 5)."""

from __future__ import annotations

from typing import Any

import ignite.distributed as idist
import torch
from monai.engines import IterationEvents, SupervisedTrainer
from monai.inferers import Inferer
from monai.utils import CommonKeys, convert_to_tensor
from torch import Tensor, nn
from torch.optim import Optimizer

from monai_degia.data.pool.seeds import derive_seed
from monai_degia.engines.autocast import AutocastInferer
from monai_degia.engines.batches import batch_classes
from monai_degia.engines.ranks import average_gradients
from monai_degia.errors import UserError
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.results.keys import DeGIAKeys

__all__ = ["DeGIATrainer"]


class DeGIATrainer(SupervisedTrainer):
    """MONAI's supervised trainer, with a step of the flow prior on the same batch (``BACKWARD_COMPLETED``).

    The two networks share no parameter, so the sum of Eq. (5) is minimised by a step of each. Without a flow it is
    plain training: the baseline of every comparison. Where several processes train, wrap the network in
    ``DistributedDataParallel``; the flow's gradients are averaged here.

    Args:
        flow: the flow prior; ``None`` trains the task network alone.
        flow_optimizer: optimiser of the flow's parameters.
        flow_interval: train the flow on every n-th iteration, where its cost would decide the time of a run.
        max_flow_norm: largest L2 norm of the flow's gradient; larger ones are scaled down. A flow's likelihood has
            steep places where one step would undo many.
        flow_seed: with the iteration it decides the flow's noise: that of dequantisation and of the prior.
        autocast_dtype: ``torch.bfloat16`` runs the task network and the CNNs inside the flow's couplings in that
            precision, on any device, see :class:`monai_degia.AutocastInferer`; ``None`` leaves them alone. The flow's
            own arithmetic and its log-determinants stay float32.
        **kwargs: see ``monai.engines.SupervisedTrainer``.

    ``state.output`` holds, beside MONAI's image, label, pred and loss, ``nll`` (nats a dimension, with the uniform
    noise of dequantisation) and ``bits_per_dim`` in iterations that trained the flow.

    Raises:
        ValueError: if only one of ``flow`` and ``flow_optimizer`` is given.

    """

    inferer: Inferer

    def __init__(
        self,
        *args: Any,
        flow: FlowPrior | None = None,
        flow_optimizer: Optimizer | None = None,
        flow_interval: int = 1,
        max_flow_norm: float = 50.0,
        flow_seed: int = 0,
        autocast_dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        if (flow is None) != (flow_optimizer is None):
            raise UserError("flow and flow_optimizer belong together: give both, or neither for plain training.")
        if flow_interval < 1:
            raise UserError(f"flow_interval must be at least 1, got {flow_interval}.")
        if (epochs := kwargs.get("max_epochs", 1)) < 1:
            raise UserError(f"max_epochs must be at least 1, got {epochs}.")
        super().__init__(*args, **kwargs)
        if autocast_dtype is not None:
            self.inferer = AutocastInferer(self.inferer, autocast_dtype)
        # Events inside the iteration: behind it the output may be split into samples (decollate).
        self.add_event_handler(IterationEvents.LOSS_COMPLETED, self._check_loss)
        self.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._train_flow)
        self.flow, self.flow_optimizer = flow, flow_optimizer
        self.autocast_dtype = autocast_dtype
        self.flow_interval, self.max_flow_norm, self.flow_seed = flow_interval, max_flow_norm, int(flow_seed)

    def _check_loss(self, engine: SupervisedTrainer) -> None:
        loss = self.state.output[CommonKeys.LOSS]
        self._refuse_nonfinite(loss, "task loss", "the learning rate of the task network")

    def _train_flow(self, engine: SupervisedTrainer) -> None:
        if self.flow is not None and (self.state.iteration - 1) % self.flow_interval == 0:
            image = convert_to_tensor(self.state.output[CommonKeys.IMAGE], track_meta=False)
            self.state.output.update(self._flow_step(image, batch_classes(self.state.batch, image)))

    def _flow_step(self, image: Tensor, classes: Tensor) -> dict[str, Tensor]:
        flow, optimizer = self.flow, self.flow_optimizer
        if flow is None or optimizer is None:
            raise UserError("The flow step was reached without a flow and its optimizer.")
        flow.train()
        optimizer.zero_grad(set_to_none=True)
        noisy = self._noisy(flow, image, classes)
        with torch.autocast(image.device.type, self.autocast_dtype, enabled=self.autocast_dtype is not None):
            bits = flow.bits_per_dim(*noisy).mean()
        # Bits a dimension and nats a dimension differ by a factor and a constant, so their minimum is the same.
        self._refuse_nonfinite(bits, "flow's negative log-likelihood", "the learning rate of the flow")
        bits.backward()
        average_gradients(flow)
        nn.utils.clip_grad_norm_(flow.parameters(), self.max_flow_norm)
        optimizer.step()
        nll = (bits.detach() - 8) * torch.log(torch.tensor(2.0))
        return {DeGIAKeys.NLL: nll, DeGIAKeys.BITS_PER_DIM: bits.detach()}

    def _noisy(self, flow: FlowPrior, image: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images with the noise of dequantisation, classes, and the prior's noise.

        Each process skips the noise of those before it, so that together they add what one would add to all images.
        """
        seed = derive_seed(self.flow_seed, self.state.iteration)
        pixels, prior = torch.Generator(image.device).manual_seed(seed), torch.Generator().manual_seed(seed)
        for _ in range(idist.get_rank() + 1):
            noisy = flow.dequantize(image, pixels)
            noise = flow.prior.draw_noise(len(image), prior)
        return noisy, classes, noise.to(image)

    def _refuse_nonfinite(self, value: Tensor, name: str, knob: str) -> None:
        if not torch.isfinite(value).all():
            raise UserError(
                f"The {name} is {float(value.detach().mean())} at iteration {self.state.iteration}: training cannot go "
                f"on. Lower {knob}, or check the images and landmarks of the data list."
            )

"""True and predicted landmarks of a few validation images, as pictures of TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from ignite.engine import Engine, Events
from monai.utils import CommonKeys, convert_to_tensor
from torch import Tensor
from torchvision.utils import make_grid

from monai_degia.data.lists.landmark_sets import Landmarks, landmark_set
from monai_degia.engines.ranks import is_first_rank
from monai_degia.errors import UserError
from monai_degia.reading.landmarks import denormalize_landmarks
from monai_degia.results.overlay import draw_landmarks

if TYPE_CHECKING:  # a second to import, which --help should not wait for
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["ValidationOverlays"]


class ValidationOverlays:
    """Draw what the network finds on the same few validation images in each epoch.

    Attach to the evaluator. Dots are predictions, white rings joined to them the labels. The images are taken at equal
    distances from the first batch; labels and predictions are (B, K, 2), in fractions of the image sides. Volumes,
    images with other than one or three channels, and labels that are no landmarks are not drawn.

    Args:
        summary_writer: of TensorBoard; ``None`` draws nothing.
        landmarks: names or set of the landmarks, see :func:`monai_degia.landmark_set`, for their bones and colours.
        count: images to draw, 1 or more.
        tag: name of the picture.

    Raises:
        ValueError: if ``count`` is below 1.

    """

    def __init__(
        self,
        summary_writer: SummaryWriter | None,
        landmarks: Landmarks | None = None,
        count: int = 8,
        tag: str = "validation",
    ) -> None:
        if count < 1:
            raise UserError(f"ValidationOverlays needs a count of 1 image or more, got {count}.")
        self.summary_writer, self.count, self.tag = summary_writer, count, tag
        self.landmarks = None if landmarks is None else landmark_set(landmarks)
        self._drawn: int | None = None

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator; where several processes train, the first one draws."""
        if self.summary_writer is not None and is_first_rank():
            engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Draw some images of an epoch's first batch."""
        if self._drawn == engine.state.epoch:
            return
        self._drawn = engine.state.epoch
        images, labels, found = (_batch(engine.state.output, key) for key in _KEYS)
        if images.ndim != 4 or images.shape[1] not in (1, 3) or labels.ndim != 3 or labels.shape != found.shape:
            return
        rows = torch.linspace(0, len(images) - 1, min(self.count, len(images))).round().long().tolist()
        pictures = torch.stack([self._picture(images[row], labels[row], found[row]) for row in rows])
        if self.summary_writer is not None:
            grid = make_grid(pictures, nrow=4, pad_value=255)
            self.summary_writer.add_image(self.tag, grid, engine.state.epoch)

    def _picture(self, image: Tensor, label: Tensor, found: Tensor) -> Tensor:
        size = tuple(image.shape[1:])
        points, target = (denormalize_landmarks(values, size) for values in (found, label))
        # Resizing may leave [0, 1] by a little.
        picture = draw_landmarks(image.clamp(0, 1), points, self.landmarks, target=target)
        return torch.tensor(picture).permute(2, 0, 1)


_KEYS = (CommonKeys.IMAGE, CommonKeys.LABEL, CommonKeys.PRED)


def _batch(output: Any, key: str) -> Tensor:
    """An entry of a batch (B, ...), also where MONAI has split it into samples."""
    values = output[key] if isinstance(output, dict) else torch.stack([sample[key] for sample in output])
    return convert_to_tensor(values, track_meta=False).detach().float().cpu()

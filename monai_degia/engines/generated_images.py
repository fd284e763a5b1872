"""What a round of maximisation made, as a picture: source images above the images reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.utils import CommonKeys
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import make_grid, save_image

from monai_degia.engines.ranks import is_first_rank
from monai_degia.io.files import whole_file
from monai_degia.results.keys import DeGIAKeys, MaximizationEvents
from monai_degia.results.middle_slices import middle_slices

__all__ = ["GeneratedImagesHandler"]

#: Pixels up to which a narrow picture is enlarged.
WIDTH = 640


class GeneratedImagesHandler:
    """Save a grid of the first images of each round, as a PNG file and to TensorBoard.

    Attach to the maximiser. Odd rows are source images, the rows below them what the ascent made of them. Of a volume
    the three middle slices stand side by side; of images with other than one or three channels the first is shown.

    Args:
        output_dir: folder of ``generated_round=NN.png``.
        summary_writer: TensorBoard writer; ``None`` writes files alone.
        columns: images a row.
        rows: pairs of rows.

    """

    def __init__(
        self, output_dir: str | Path, summary_writer: SummaryWriter | None = None, columns: int = 8, rows: int = 2
    ) -> None:
        self.output_dir, self.summary_writer = Path(output_dir), summary_writer
        self.columns, self.rows = columns, rows
        self._grid: Tensor | None = None

    def attach(self, engine: Engine) -> None:
        """Register with the maximiser; where several processes train, the first one draws."""
        if not is_first_rank():
            return
        engine.add_event_handler(MaximizationEvents.ROUND_STARTED, self._forget)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._keep_first)
        engine.add_event_handler(MaximizationEvents.ROUND_COMPLETED, self._save)

    def _forget(self, engine: Engine) -> None:
        self._grid = None

    def _keep_first(self, engine: Engine) -> None:
        if self._grid is not None:
            return
        output: dict[str, Any] = engine.state.output
        count = self.columns * self.rows
        pairs = [output[key][:count].detach().cpu() for key in (CommonKeys.IMAGE, DeGIAKeys.GENERATED)]
        pairs = [middle_slices(shown if shown.shape[1] in (1, 3) else shown[:, :1]) for shown in pairs]
        rows = [chunk for both in zip(*(p.split(self.columns) for p in pairs), strict=True) for chunk in both]
        # Axis 1 of a tensor is x; a picture file wants rows first.
        grid = make_grid(torch.cat(rows).transpose(2, 3), nrow=self.columns, pad_value=1.0)
        times = max(1, WIDTH // grid.shape[2])  # whole, so that pixels stay what they are
        self._grid = grid.repeat_interleave(times, 1).repeat_interleave(times, 2)

    def _save(self, engine: Engine) -> None:
        if self._grid is None:
            return
        round_index = int(engine.dataset.rounds)
        with whole_file(self.output_dir / f"generated_round={round_index:02d}.png") as partial:
            save_image(self._grid, partial)
        if self.summary_writer is not None:
            self.summary_writer.add_image("generated", self._grid, round_index)

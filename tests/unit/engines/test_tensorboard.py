"""What goes to TensorBoard beside losses and metrics: the learning rate, and pictures of validation images."""

from typing import Any

import pytest
import torch
from ignite.engine import Engine

from monai_degia import LearningRateLog, ValidationOverlays


class Writer:
    """Keeps what a SummaryWriter is given."""

    def __init__(self) -> None:
        self.scalars: list[tuple[str, float, int]] = []
        self.images: list[tuple[str, torch.Tensor, int]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars.append((tag, value, step))

    def add_image(self, tag: str, picture: torch.Tensor, step: int) -> None:
        self.images.append((tag, picture, step))


def test_each_epoch_tells_the_rate_that_it_starts_with() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer, writer = torch.optim.SGD([parameter], lr=0.8), Writer()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def step(engine: Engine, batch: Any) -> None:
        optimizer.step()
        scheduler.step()

    trainer = Engine(step)
    LearningRateLog(optimizer, writer).attach(trainer)  # type: ignore[arg-type]
    trainer.run([0], max_epochs=3)
    assert writer.scalars == [("learning_rate", pytest.approx(0.8 * 0.5**n), n + 1) for n in range(3)]


def evaluate(output: Any, writer: Writer, epochs: int = 1, **options: Any) -> None:
    evaluator = Engine(lambda engine, batch: output)
    ValidationOverlays(writer, **options).attach(evaluator)  # type: ignore[arg-type]
    evaluator.run([0, 1], max_epochs=epochs)


def batch(count: int = 6, channels: int = 1) -> dict[str, torch.Tensor]:
    """Dark images of 32 x 32, labels at the left, predictions at the right."""
    label, pred = torch.full((count, 2, 2), 0.25), torch.full((count, 2, 2), 0.75)
    return {"image": torch.zeros(count, channels, 32, 32), "label": label, "pred": pred}


def test_predictions_and_labels_are_drawn_where_they_are() -> None:
    writer = Writer()
    evaluate(batch(), writer, epochs=2, count=1)
    ((tag, picture, first), (_, _, second)) = writer.images
    assert (tag, first, second) == ("validation", 1, 2), "one picture an epoch, whatever the number of batches"
    side = picture.shape[-1]
    channels = picture.float()
    lit = channels.amax(0) > 60
    assert lit[side * 3 // 4, side * 3 // 4] and lit[side // 4 - side // 20 : side // 4 + side // 20].any()
    assert not lit[:, : side // 8].any() and not lit[: side // 8].any()
    spot = channels[:, side * 3 // 4, side * 3 // 4]
    assert spot.max() - spot.min() > 60, "predictions have a colour, labels are white"


def test_images_are_taken_from_all_over_the_batch_and_samples_are_a_batch_too() -> None:
    writer, whole = Writer(), batch(9)
    whole["image"] = torch.linspace(0, 1, 9).view(9, 1, 1, 1).expand(9, 1, 32, 32)
    evaluate([{key: value[row] for key, value in whole.items()} for row in range(9)], writer, count=3)
    ((_, picture, _),) = writer.images
    side = (picture.shape[-1] - 2) // 3 - 2  # pictures in a row with two pixels around each
    corners = [int(picture[0, 4, 4 + column * (side + 2)]) for column in range(3)]
    assert corners == [pytest.approx(value, abs=2) for value in (0, 128, 255)]


@pytest.mark.parametrize(
    "change",
    [
        {"image": torch.zeros(6, 2, 32, 32)},
        {"image": torch.zeros(6, 1, 8, 8, 8)},
        {"label": torch.zeros(6, dtype=torch.long), "pred": torch.zeros(6, 10)},
    ],
    ids=["two channels", "volumes", "classes"],
)
def test_what_cannot_be_drawn_is_left_out(change: dict[str, torch.Tensor]) -> None:
    writer = Writer()
    evaluate({**batch(), **change}, writer)
    assert writer.images == []


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="count of 1 image or more, got 0"):
        ValidationOverlays(None, count=0)

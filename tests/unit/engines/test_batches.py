"""From a collated batch to images and labels: types, kinds of label, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch.testing import assert_close

from monai_degia.engines.batches import PrepareClassBatch, PrepareLandmarkBatch
from monai_degia.results.keys import stacked_from_engine

IMAGE = torch.rand(3, 1, 8, 4)


@pytest.mark.parametrize("image", [IMAGE, MetaTensor(IMAGE), IMAGE.numpy()], ids=["tensor", "tracked", "array"])
@pytest.mark.parametrize(
    "target", [torch.tensor([2, 0, 9]), torch.tensor([2, 0, 9], dtype=torch.uint8), [2, 0, 9], np.array([2, 0, 9])]
)
def test_classes(image: Any, target: Any) -> None:
    batch, label = PrepareClassBatch()({"image": image, "target": target}, "cpu")
    assert type(batch) is torch.Tensor and torch.equal(batch, IMAGE)
    assert label is not None and type(label) is torch.Tensor
    assert label.dtype == torch.int64 and label.tolist() == [2, 0, 9]


def test_landmarks() -> None:
    points = torch.tensor([[[-0.5, -0.5], [7.5, 3.5]]], dtype=torch.float64).expand(3, 2, 2)
    image, label = PrepareLandmarkBatch()({"image": MetaTensor(IMAGE), "landmarks": points}, "cpu")
    assert type(image) is torch.Tensor and label is not None and label.dtype == torch.float32
    assert_close(label, torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]).expand(3, 2, 2))


def test_own_keys_and_types() -> None:
    batch = {"x": IMAGE, "digit": torch.tensor([1, 2, 3])}
    image, label = PrepareClassBatch("x", "digit")(batch, "cpu", dtype=torch.float64)
    assert image.dtype == torch.float64 and label is not None and label.dtype == torch.int64


@pytest.mark.parametrize("prepare", [PrepareClassBatch(), PrepareLandmarkBatch()])
def test_without_labels(prepare: Any) -> None:
    image, label = prepare({"image": IMAGE})
    assert torch.equal(image, IMAGE) and label is None


@pytest.mark.parametrize("prepare", [PrepareClassBatch(), PrepareLandmarkBatch()])
def test_grey_levels(prepare: Any) -> None:
    """They would make the landmarks integers, and a network fail far from here."""
    message = f"{type(prepare).__name__} needs images of floating point .* 'image', got torch.uint8: divide grey levels"
    with pytest.raises(TypeError, match=message):
        prepare({"image": (255 * IMAGE).to(torch.uint8)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_classes_that_are_no_integers(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"needs classes as integers under 'target', got {dtype}"):
        PrepareClassBatch()({"image": IMAGE, "target": torch.ones(3, dtype=dtype)})


@pytest.mark.parametrize("shape", [(3, 1), (2,), (3, 10)])
def test_not_one_class_an_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs one class an image under 'target', got shape .* for 3 images"):
        PrepareClassBatch()({"image": IMAGE, "target": torch.ones(shape, dtype=torch.long)})


def test_metrics_get_a_batch_also_where_it_was_split() -> None:
    batch = {"pred": torch.rand(3, 4, 2), "label": torch.rand(3, 4, 2), "loss": torch.rand(())}
    samples = [{"pred": p, "label": y, "loss": 0.0} for p, y in zip(batch["pred"], batch["label"], strict=True)]
    for output in (batch, samples):
        found = stacked_from_engine(["pred", "label"])(output)
        assert torch.equal(found[0], batch["pred"]) and torch.equal(found[1], batch["label"])

"""The loss of each sample, from losses of a batch."""

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from torch import nn
from torch.testing import assert_close

from monai_degia.losses.per_sample import PerSampleLoss

LOSSES = {
    "dice": (DiceLoss(sigmoid=True), torch.rand(3, 1, 4, 4, 4) > 0.5),
    "dice and cross entropy": (DiceCELoss(softmax=True, to_onehot_y=True), torch.randint(2, (3, 1, 4, 4, 4))),
    "cross entropy": (nn.CrossEntropyLoss(), torch.randint(2, (3, 4, 4, 4))),
    "mean square": (nn.MSELoss(), torch.rand(3, 2, 4, 4, 4)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_sample_has_the_loss_that_it_has_alone(name: str) -> None:
    loss, target = LOSSES[name]
    prediction = torch.randn(3, 1 if name == "dice" else 2, 4, 4, 4, requires_grad=True)
    values = PerSampleLoss(loss)(prediction, target)
    assert values.shape == (3,)
    for i in range(3):
        assert_close(values[i], loss(prediction[i : i + 1], target[i : i + 1]).reshape(()))
    (gradient,) = torch.autograd.grad(values[1], prediction)
    assert gradient[1].abs().max() > 0 and not gradient[[0, 2]].any()


def test_a_loss_that_is_not_reduced() -> None:
    with pytest.raises(ValueError, match=r'reduction="mean"'):
        PerSampleLoss(nn.MSELoss(reduction="none"))(torch.rand(2, 3), torch.rand(2, 3))

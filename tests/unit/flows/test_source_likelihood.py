"""How likely images of a batch are does not depend on which class suits those beside them."""

import torch
from torch import nn
from torch.testing import assert_close

from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.flows.source_likelihood import source_bits_per_dim


def test_each_image_of_a_batch_is_judged_under_the_class_that_fits_it() -> None:
    torch.manual_seed(0)
    flow = FlowPrior((8, 8), 1, num_classes=3, hidden_channels=4).eval()
    nn.init.normal_(flow.prior.class_mean.weight)
    images = torch.rand(6, 1, 8, 8)
    middle = (images * 255 + 0.5) / 256
    by_class = torch.stack([flow.bits_per_dim(middle, torch.full((6,), c)) for c in range(3)])
    assert len(set(by_class.argmin(0).tolist())) > 1, "vacuous: one class suits all"
    assert_close(source_bits_per_dim(flow, images), by_class.amin(0).detach(), atol=1e-5, rtol=0)

"""The maps of a backbone at all its scales."""

import pytest
import torch
from torch.testing import assert_close

from monai_degia.networks.backbones import BACKBONES, create_backbone
from monai_degia.networks.pyramid import FeaturePyramid
from monai_degia.networks.regressor import LandmarkRegressor

SHAPES = {
    "lenet": [(64, 24, 16)],
    "alexnet": [(192, 23, 15), (256, 11, 7), (256, 5, 3)],
    "vgg": [(256, 24, 16), (512, 12, 8), (512, 6, 4), (512, 3, 2)],
    "resnet": [(64, 24, 16), (128, 12, 8), (256, 6, 4), (512, 3, 2)],
    "densenet": [(256, 24, 16), (512, 12, 8), (1024, 6, 4), (1024, 3, 2)],
}


@pytest.mark.parametrize("name", BACKBONES)
def test_pyramid_holds_the_last_map_of_each_scale_and_the_backbones_weights(name: str) -> None:
    trunk = create_backbone(name, 1, small_images=True).eval()
    keys = list(trunk.state_dict())
    pyramid = FeaturePyramid(trunk, 1, (96, 64)).eval()
    assert list(pyramid.state_dict()) == keys
    image = torch.rand(2, 1, 96, 64)
    maps = pyramid(image)
    assert [tuple(one.shape[1:]) for one in maps] == pyramid.shapes
    assert [shape[1:] for shape in pyramid.shapes] == [shape[1:] for shape in SHAPES[name]]
    assert_close(maps[-1], trunk(image))


def test_measuring_leaves_modes_and_statistics_as_they_were() -> None:
    trunk = create_backbone("resnet", 1)
    trunk.features.bn1.eval()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    FeaturePyramid(trunk, 1, (64, 64))
    assert trunk.training and not trunk.features.bn1.training
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())


def test_heatmap_network_finds_a_dot_that_it_has_seen_elsewhere() -> None:
    """Trained on dots in one half of the image, it finds them in the other: maps move with what they show."""
    torch.manual_seed(0)
    network = LandmarkRegressor("lenet", 1, 1, (32, 32), head="heatmap", hidden_features=16, temperature=0.25)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)

    def dots(low: int, high: int) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.randint(low, high, (64, 2))
        places[:, 1] = torch.randint(6, 26, (64,))
        images = torch.zeros(64, 1, 32, 32)
        images[torch.arange(64), 0, places[:, 0], places[:, 1]] = 1.0
        return images, ((places + 0.5) / 32)[:, None]

    for _ in range(60):
        images, target = dots(6, 15)
        optimizer.zero_grad()
        (network(images) - target).square().sum().backward()
        optimizer.step()
    images, target = dots(18, 26)
    with torch.no_grad():
        assert (network.eval()(images) - target).norm(dim=-1).mean() < 0.06

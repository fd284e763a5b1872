import pytest
import torch
from torchvision.models import alexnet, densenet121, vgg11_bn
from torchvision.models.resnet import BasicBlock, ResNet

from monai_degia.networks.backbones import BACKBONES, create_backbone
from monai_degia.networks.lenet import LeNet
from monai_degia.networks.regressor import LandmarkRegressor


@pytest.mark.parametrize("small_images", [False, True])
@pytest.mark.parametrize("in_channels", [1, 3])
@pytest.mark.parametrize("name", BACKBONES)
def test_contract(name: str, in_channels: int, small_images: bool) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name, in_channels, small_images).eval()
    with torch.no_grad():
        features = backbone(torch.rand(2, in_channels, 96, 64))
    assert features.shape[:2] == (2, backbone.num_features)
    assert features.shape[2] >= features.shape[3] >= 1
    # Finite and neither vanished nor exploded: the meta-device weights were really initialised.
    assert 1e-3 < features.std() < 1e2
    assert features.min() >= 0, "every trunk ends in a ReLU or in pooling after one"


@pytest.mark.parametrize("name", BACKBONES)
def test_smallest_image_and_small_image_grid(name: str) -> None:
    backbone = create_backbone(name, 3, small_images=True).eval()
    side = backbone.min_image_size
    with torch.no_grad():
        assert min(backbone(torch.rand(1, 3, side, side)).shape) >= 1
        assert min(backbone(torch.rand(1, 3, 64, 64)).shape[2:]) >= 2


def resnet10(weights: None) -> ResNet:
    return ResNet(BasicBlock, [1, 1, 1, 1])


@pytest.mark.parametrize(
    ("name", "build"), [("alexnet", alexnet), ("vgg", vgg11_bn), ("resnet", resnet10), ("densenet", densenet121)]
)
def test_weights_of_torchvision_fit_and_give_its_features(name: str, build) -> None:
    with torch.device("meta"):
        names = build(weights=None).state_dict()
    backbone = create_backbone(name, 3).eval()
    ours = {
        key if key in names else key.removeprefix("features."): value.shape
        for key, value in backbone.state_dict().items()
    }
    assert ours == {key: value.shape for key, value in names.items() if not key.startswith(("classifier", "fc."))}


def test_densenet_ends_with_the_activation_of_torchvision() -> None:
    torch.manual_seed(0)
    backbone, reference = create_backbone("densenet", 3).eval(), densenet121(weights=None).eval()
    reference.load_state_dict(backbone.state_dict(), strict=False)
    reference.classifier = torch.nn.Identity()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(image).mean((2, 3)), reference(image))


def test_two_backbones_differ_and_the_seed_repeats_one() -> None:
    def first_weight(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(create_backbone("resnet").parameters())

    assert torch.equal(first_weight(1), first_weight(1))
    assert not torch.equal(first_weight(1), first_weight(2))


def test_lenet_is_two_5x5_convolutions_with_stride_4() -> None:
    lenet = LeNet(1, widths=(6, 16))
    weights = [p.shape for p in lenet.parameters() if p.ndim == 4]
    assert weights == [(6, 1, 5, 5), (16, 6, 5, 5)]
    assert lenet(torch.rand(1, 1, 16, 28)).shape == (1, 16, 4, 7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: create_backbone("densnet"), "Unknown backbone 'densnet'. Did you mean 'densenet'\\?"),
        (lambda: create_backbone("xyz"), "Unknown backbone 'xyz'. Available: .*pass an nn.Module"),
        (lambda: create_backbone("vgg", 0), "in_channels must be at least 1, got 0"),
        (lambda: LeNet(3, widths=(0, 4)), r"LeNet needs positive channel counts, got .*\(0, 4\)"),
    ],
)
def test_wrong_arguments_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


OWN = """
from torch import nn

def no_class(**options): ...

class Small(nn.Module):
    def __init__(self, in_channels, spatial_dims):
        super().__init__()
        convolution = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
        self.features = nn.Sequential(convolution(in_channels, 4, 3, stride=4), nn.ReLU())

    def forward(self, image):
        return self.features(image)
"""


def test_a_class_of_the_user_is_a_backbone_by_its_dotted_name(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_backbone.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    for size in ((32, 24), (16, 16, 16)):
        options = {"num_landmarks": 3, "in_channels": 1, "image_size": size, "head": "heatmap"}
        network = LandmarkRegressor("users_backbone.Small", **options)
        assert network(torch.rand(2, 1, *size)).shape == (2, 3, len(size))
        # As from model.json: the same arguments build the same network.
        LandmarkRegressor(**network.options).load_state_dict(network.state_dict())
    for name, message in (
        ("users_backbone.Large", "no backbone 'users_backbone.Large': write module.Name"),
        ("users_backbone.no_class", "'users_backbone.no_class' is no class of torch.nn.Module"),
        ("os.system", "'os.system' is no class of torch.nn.Module"),
    ):
        with pytest.raises(ValueError, match=message):
            create_backbone(name)
    (tmp_path / "users_broken.py").write_text("import nothing_of_that_name")
    with pytest.raises(ValueError, match=r"cannot be imported \(ModuleNotFoundError"):
        create_backbone("users_broken.Small")

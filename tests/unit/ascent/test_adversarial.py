"""The adversarial ascent as a MONAI transform: random state, metadata, batches and single samples."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, Flipd, Invertd, ScaleIntensityd
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.ascent.adversarial import AdversarialAscent, AdversarialAscentd
from monai_degia.ascent.parametrization import PixelParametrization
from monai_degia.flows.flow_prior import FlowPrior
from monai_degia.losses.objective import AscentObjective

POINTS = 4


class Brightness:
    """An objective of a user's own: brighter is better. It notes what it was bound to."""

    def __init__(self) -> None:
        self.bound: list[tuple[Any, ...]] = []

    @contextmanager
    def bind(
        self, image: Tensor, target: Tensor, classes: Tensor | None, generator: torch.Generator | None = None
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        self.bound.append((image, target, classes))
        yield lambda x: x.flatten(1).mean(1)


def plain_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2 * POINTS))


def network_ascent(parametrization: str = "pixel", flow: FlowPrior | None = None, **kwargs: Any) -> AdversarialAscent:
    network = nn.Sequential(plain_network(), nn.Unflatten(1, (POINTS, 2)))
    weights: dict[str, Any] = (
        {"nll_weight": 1.0, "alpha": 1.0} if flow is not None else {"nll_weight": 0.0, "alpha": 0.0}
    )
    objective = AscentObjective(network, flow, **weights)
    arguments = {"steps": 3, "step_size": 0.2, "rule": "normalized", **kwargs}
    return AdversarialAscent(objective, parametrization, flow=flow, **arguments)


def batch(size: int = 3) -> tuple[Tensor, Tensor]:
    return torch.rand(size, 1, 8, 8), torch.rand(size, POINTS, 2)


@pytest.mark.parametrize("parametrization", ["pixel", "latent", "appearance"])
def test_replay_repeats_the_last_draw(parametrization: str, make_flow: Callable[..., FlowPrior]) -> None:
    ascent = network_ascent(parametrization, make_flow(shift_scale=1.0))
    image, target = batch()
    first = ascent(image, target)
    again = ascent(image, target, randomize=False)
    anew = ascent(image, target)
    assert torch.equal(first, again)
    # Pixels start from the image: what is random there is the noise of the prior alone.
    assert (anew - first).abs().max() > 1e-6
    assert torch.equal(ascent(image, target, randomize=False), anew)


def test_random_state_decides_the_sequence() -> None:
    image, target = batch()
    ascent = network_ascent("appearance")
    runs = []
    for seed in (5, 5, 6):
        ascent.set_random_state(seed)
        runs.append(torch.stack([ascent(image, target) for _ in range(2)]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert not torch.equal(runs[0][0], runs[0][1])


def test_global_generator_is_not_touched() -> None:
    image, target = batch()
    ascent = network_ascent("appearance").set_random_state(0)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    ascent(image, target)
    assert torch.equal(torch.rand(4), expected)


def test_a_plain_network_without_a_trainer() -> None:
    """A loop of the user's: the network of any kind, a loss of any kind, and it trains on as if nothing had been."""
    network = nn.Sequential(plain_network(), nn.Linear(2 * POINTS, 3))
    loss = nn.CrossEntropyLoss(reduction="none")
    objective = AscentObjective(network, task_loss=loss, nll_weight=0, alpha=0, prediction_weight=0)
    ascent = AdversarialAscent(objective, steps=5, step_size=0.05)
    image, label = torch.rand(16, 1, 8, 8), torch.randint(3, (16,))
    before = {name: value.clone() for name, value in network.state_dict().items()}

    climbed = ascent(image, label)

    assert type(climbed) is Tensor and climbed.shape == image.shape and not climbed.requires_grad
    assert climbed.min() >= 0 and climbed.max() <= 1
    assert network.training and all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.eval()
    assert (loss(network(climbed), label) > loss(network(image), label)).all()


def test_steps_are_reported() -> None:
    steps: list[int] = []
    AdversarialAscent(Brightness(), steps=3)(*batch(), on_step=steps.append)
    assert steps == [1, 2, 3]


def test_closed_form_through_the_transform() -> None:
    image, target = 0.5 * torch.rand(2, 1, 8, 8), torch.zeros(2)
    climbed = AdversarialAscent(Brightness(), steps=4, step_size=0.1, rule="sign")(image, target)
    assert_close(climbed, image + 0.4)
    climbed = AdversarialAscent(Brightness(), steps=20, step_size=0.1, bounds=(0.0, 0.7))(image, target)
    assert_close(climbed, torch.full_like(image, 0.7))


def test_objective_sees_plain_tensors_and_the_classes() -> None:
    objective, (image, target) = Brightness(), batch()
    classes = torch.tensor([1, 0, 1])
    AdversarialAscent(objective)(MetaTensor(image), MetaTensor(target), classes)
    bound_image, bound_target, bound_classes = objective.bound[0]
    assert type(bound_image) is Tensor and type(bound_target) is Tensor
    assert_close(bound_image, image)
    assert_close(bound_target, target)
    assert bound_classes is classes


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8), (1, 1, 8, 8, 8, 8)])
def test_images_that_are_no_batch(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects a batch of images .*, got shape \(" + str(shape[0])):
        AdversarialAscent(Brightness())(torch.rand(shape), torch.zeros(1))


class Brighter(PixelParametrization):
    """What a user may bring: starts a tenth above the image."""

    def __init__(self, image: Tensor, flow: Any = None, generator: Any = None) -> None:
        super().__init__(image + 0.1)


def test_a_parametrization_of_the_user_is_climbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, target = 0.5 * torch.rand(2, 1, 8, 8), torch.zeros(2)
    (tmp_path / "users_own.py").write_text(
        "import monai_degia\n\n\ndef start(image, flow, generator):\n"
        "    return monai_degia.PixelParametrization(image + 0.1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for named in (Brighter, "users_own.start"):
        assert_close(AdversarialAscent(Brightness(), named, steps=2, step_size=0.1)(image, target), image + 0.3)
    with pytest.raises(ValueError, match=r"no parametrization 'users_own.stop': write module.Name"):
        AdversarialAscent(Brightness(), "users_own.stop")


def test_unknown_parametrization() -> None:
    with pytest.raises(
        ValueError, match=r"Unknown parametrization 'colour'. Available: pixel, reflected, scattered, latent"
    ):
        AdversarialAscent(Brightness(), "colour")


FLIP = Flipd("image", 0)


def loaded_batch(size: int = 3) -> dict[Any, Any]:
    """A batch as MONAI's loader collates it, after a tracked and invertible transform."""
    images, targets = batch(size)
    items = [
        {
            "image": MetaTensor(image, affine=(i + 1) * torch.eye(4), meta={"filename_or_obj": f"{i}.png"}),
            "landmarks": target,
            "class": i,
            "domain": f"place {i}",
        }
        for i, (image, target) in enumerate(zip(images, targets, strict=True))
    ]
    return next(iter(DataLoader(Dataset(items, FLIP), batch_size=size)))


def test_dictionary_version_keeps_everything_but_the_pixels() -> None:
    data = loaded_batch()
    given, keys, image = dict(data), list(data), data["image"].clone()
    out = AdversarialAscentd("image", AdversarialAscent(Brightness(), steps=1, step_size=0.1))(data)

    assert_close(out["image"].as_tensor(), (image.as_tensor() + 0.1).clamp(max=1))
    assert list(out) == keys and all(out[key] is data[key] for key in keys if key != "image")
    assert data == given and torch.equal(data["image"], image), "the batch given was written into"
    assert isinstance(out["image"], MetaTensor)
    assert out["image"].meta["filename_or_obj"] == ["0.png", "1.png", "2.png"]
    assert_close(out["image"].affine, image.affine)


def test_what_comes_out_can_be_taken_apart_and_inverted() -> None:
    data = loaded_batch()
    out = AdversarialAscentd("image", AdversarialAscent(Brightness(), steps=1, step_size=0.1))(data)
    inverse = Invertd("image", FLIP, orig_keys="image", nearest_interp=False)
    for i, (one, source) in enumerate(zip(decollate_batch(out), decollate_batch(data), strict=True)):
        assert one["image"].meta["filename_or_obj"] == f"{i}.png" and one["domain"] == f"place {i}"
        assert_close(one["image"].affine, source["image"].affine)
        assert_close(inverse(one)["image"].as_tensor(), out["image"][i].as_tensor().flip(1))


def test_one_sample_equals_a_batch_of_one() -> None:
    image, target = batch(1)
    transform = AdversarialAscentd("image", network_ascent("appearance"))
    one = transform.set_random_state(1)({"image": MetaTensor(image[0]), "landmarks": target[0], "class": 0})["image"]
    many = transform.set_random_state(1)({"image": image, "landmarks": target, "class": torch.tensor([0])})["image"]
    assert isinstance(one, MetaTensor) and one.shape == (1, 8, 8)
    assert type(many) is Tensor
    assert_close(one.as_tensor(), many[0])


@pytest.mark.parametrize("classes", [[1, 0, 1], np.array([1, 0, 1]), torch.tensor([[1], [0], [1]]), None])
def test_classes_in_any_form_or_none(classes: Any) -> None:
    objective, (image, target) = Brightness(), batch()
    data: dict[Any, Any] = {"image": image, "landmarks": target, "kind": classes}
    if classes is None:
        data.pop("kind")
    AdversarialAscentd("image", AdversarialAscent(objective), class_key="kind")(data)
    bound = objective.bound[0][2]
    assert bound is None if classes is None else bound.tolist() == [1, 0, 1]


def test_arrays_are_taken_as_monai_takes_them() -> None:
    image, target = batch()
    transform = AdversarialAscentd("image", AdversarialAscent(Brightness(), steps=1, step_size=0.1))
    out = transform({"image": image.numpy(), "landmarks": target.numpy()})["image"]
    assert_close(torch.as_tensor(out), (image + 0.1).clamp(max=1))


def test_in_a_composition() -> None:
    ascent = network_ascent("appearance")
    pipeline = Compose([ScaleIntensityd("image", channel_wise=True), AdversarialAscentd("image", ascent)])
    data = loaded_batch()
    data["landmarks"] = torch.rand(3, POINTS, 2)
    first, again, other = (pipeline.set_random_state(seed)(data)["image"] for seed in (2, 2, 3))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_missing_image() -> None:
    target: dict[Any, Any] = {"landmarks": torch.rand(1, POINTS, 2)}
    ascent = AdversarialAscent(Brightness())
    assert AdversarialAscentd("image", ascent, allow_missing_keys=True)(target) == target
    with pytest.raises(KeyError, match="image"):
        AdversarialAscentd("image", ascent)(target)


def test_missing_labels() -> None:
    transform = AdversarialAscentd("image", AdversarialAscent(Brightness()), target_key="label")
    with pytest.raises(ValueError, match=r"needs the labels 'label'; keys: \['image', 'landmarks'\]"):
        transform({"image": torch.rand(1, 1, 8, 8), "landmarks": torch.rand(1, POINTS, 2)})


def test_wrong_number_of_classes() -> None:
    transform = AdversarialAscentd("image", AdversarialAscent(Brightness()))
    image, target = batch()
    with pytest.raises(ValueError, match=r"one class for each of 3 images, got shape \(2,\)"):
        transform({"image": image, "landmarks": target, "class": [0, 1]})

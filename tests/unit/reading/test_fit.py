"""Images of any size brought to that of the network."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Resized, ResizeWithPadOrCropd
from torch.testing import assert_close

from monai_degia.reading.fit import FitToSized, resample_weights
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd, landmarks_to_original
from monai_degia.reading.modality import MatchChannelsd


def tracked(image: torch.Tensor) -> MetaTensor:
    return MetaTensor(image, affine=torch.eye(4, dtype=torch.float64), meta={"original_affine": torch.eye(4).double()})


def smooth(*shape: int) -> torch.Tensor:
    x, y = (torch.linspace(0, 1, side) for side in shape[1:])
    waves = [torch.sin(7 * x + c)[:, None] * torch.cos(5 * y - c)[None] for c in range(shape[0])]
    return 0.5 + 0.4 * torch.stack(waves)


@pytest.mark.parametrize("shape", [(1, 400, 300), (3, 150, 310), (1, 64, 64), (3, 40, 20)])
def test_inside_it_is_monais_chain_of_three(shape: tuple[int, ...]) -> None:
    chain = Compose(
        [
            MatchChannelsd("image", 3),
            Resized("image", spatial_size=64, size_mode="longest", mode="bilinear", anti_aliasing=True),
            ResizeWithPadOrCropd("image", spatial_size=(64, 64)),
        ]
    )
    sample = {"image": tracked(smooth(*shape))}
    expected, found = chain(sample)["image"], FitToSized("image", (64, 64), 3)(sample)["image"]
    assert_close(found.affine, expected.affine, check_dtype=False)
    seen = expected.as_tensor().abs().sum((0,)) > 0
    for axis in (0, 1):  # MONAI's blur reaches a few pixels in from the edge
        line = seen.any(1 - axis).nonzero()
        keep = slice(int(line[0]) + 4, int(line[-1]) - 3)
        found, expected = (t[:, keep] if axis == 0 else t[:, :, keep] for t in (found, expected))
    assert expected.numel() > 300
    assert_close(found.as_tensor(), expected.as_tensor(), atol=1e-4, rtol=0)


def test_a_white_image_stays_white_to_its_edge() -> None:
    fitted = FitToSized("image", (64, 64), 3)({"image": tracked(torch.ones(1, 500, 500))})["image"]
    assert_close(fitted.as_tensor(), torch.ones(3, 64, 64))
    darker = Resized("image", (64, 64), mode="bilinear", anti_aliasing=True)(
        {"image": tracked(torch.ones(1, 500, 500))}
    )
    assert darker["image"].min() < 0.8, "vacuous: MONAI has no dark frame"


@pytest.mark.parametrize("shape", [(30, 90), (90, 30), (7, 100)])
def test_beside_the_image_its_edge_is_repeated(shape: tuple[int, int]) -> None:
    """And no black bar, which no scene has."""
    image = 0.2 + 0.6 * torch.rand(1, *shape)
    fitted = FitToSized("image", (60, 60), 1)({"image": tracked(image)})["image"].as_tensor()[0]
    across = fitted if shape[0] < shape[1] else fitted.T
    inner = round(60 * min(shape) / max(shape))
    start = (60 - inner) // 2
    assert_close(across[:start], across[start].expand(start, -1))
    rest = 60 - start - inner
    assert_close(across[start + inner :], across[start + inner - 1].expand(rest, -1))
    assert fitted.min() >= 0.2


@pytest.mark.parametrize(("size", "shape"), [((64, 48), (90, 200)), ((32, 64), (200, 90)), ((48, 48), (87, 61))])
def test_the_whole_image_is_in_and_its_points_follow(size: tuple[int, int], shape: tuple[int, int]) -> None:
    image, place = torch.zeros(1, *shape), (0.31 * shape[0], 0.62 * shape[1])
    x, y = (torch.arange(side) for side in shape)
    image[0] = torch.exp(-((x - place[0]) ** 2)[:, None] / 60 - ((y - place[1]) ** 2)[None] / 60)
    sample = {"image": tracked(image), "landmarks": torch.tensor([place, (0.0, 0.0), (shape[0] - 1, shape[1] - 1)])}
    steps = [LandmarksToWorldd("landmarks"), FitToSized("image", size, 1), LandmarksToImaged("landmarks")]
    fitted = Compose(steps)(sample)
    found, points = fitted["image"].as_tensor()[0], fitted["landmarks"]
    centre = [
        (found * torch.arange(n).view(-1, 1) if i == 0 else found * torch.arange(n)).sum() / found.sum()
        for i, n in enumerate(size)
    ]
    assert_close(torch.stack(centre), points[0], atol=0.05, rtol=0)
    assert (points > -0.5).all() and (points < torch.tensor(size) - 0.5).all()
    assert_close(landmarks_to_original(points, fitted["image"]), sample["landmarks"], atol=1e-3, rtol=0)


def test_grey_and_colour_are_matched() -> None:
    image = torch.rand(4, 80, 80)
    grey = FitToSized("image", (20, 20), 1)({"image": tracked(image)})["image"]
    assert_close(
        grey.as_tensor(),
        FitToSized("image", (20, 20), 1)(
            {"image": tracked((image[:3] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True))}
        )["image"].as_tensor(),
    )
    assert FitToSized("image", (20, 20), 3)({"image": tracked(image)})["image"].shape == (3, 20, 20)


@pytest.mark.parametrize(("side", "size"), [(100, 64), (2000, 64), (64, 64), (20, 64), (7, 1)])
def test_weights_are_means_and_keep_a_slope(side: int, size: int) -> None:
    weights = resample_weights(side, size)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights >= 0).all()
    line = weights @ np.arange(side)
    inner = slice(size // 8 + 1, size - size // 8 - 1)
    np.testing.assert_allclose(line[inner], ((np.arange(size) + 0.5) * side / size - 0.5)[inner], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_size": (64,), "channels": 3}, r"two positive numbers \(X, Y\), got \(64,\)"),
        ({"spatial_size": (64, 0), "channels": 3}, r"got \(64, 0\)"),
        ({"spatial_size": (64, 64), "channels": 2}, "channels must be 1 or 3, got 2"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FitToSized("image", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "message"), [((5, 5), r"got shape \(5, 5\)"), ((3, 0, 5), "not empty"), ((2, 5, 5), "1, 3 or 4 channels")]
)
def test_images_of_other_shapes(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FitToSized("image", (8, 8), 3)({"image": torch.zeros(shape)})


@pytest.mark.parametrize("aspect", [2.0, 0.5, 1.5])
def test_pixels_that_are_not_square_become_so(aspect: float) -> None:
    """A disc that was stored squashed is round again, and points follow."""
    columns, rows = 60, round(60 / aspect)
    x, y = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    disc = (np.hypot(x - 29.5, (y - (rows - 1) / 2) * aspect) < 20).astype(np.float32)
    image = MetaTensor(torch.as_tensor(disc[None]), meta={"pixel_aspect": aspect})
    fitted = FitToSized("image", (60, 60), 1)({"image": image})["image"]
    across, down = (float(fitted[0].sum(axis).max()) for axis in (0, 1))
    assert across == pytest.approx(40, abs=2) and down == pytest.approx(40, abs=2)
    centre = fitted.affine @ torch.tensor([29.5, 29.5, 0, 1], dtype=torch.float64)
    np.testing.assert_allclose(centre[:2], [29.5, (rows - 1) / 2], atol=0.5)


@pytest.mark.parametrize("shape", [(1500, 40), (333, 500), (100, 70), (5, 900)])
def test_bands_give_what_the_whole_matrices_give(shape: tuple[int, int]) -> None:
    image = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    inner = [max(1, round(side * 256 / max(shape))) for side in shape]
    along_x, along_y = (torch.as_tensor(resample_weights(side, n)) for side, n in zip(shape, inner, strict=True))
    expected = along_x @ image.double() @ along_y.T
    found = FitToSized("image", (256, 256), 1)({"image": image})["image"]
    first = [(256 - n) // 2 for n in inner]
    assert_close(found[:, first[0] :, first[1] :][:, : inner[0], : inner[1]].double(), expected, atol=1e-5, rtol=0)

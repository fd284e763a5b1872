import pytest
import torch
from monai.data import MetaTensor

from monai_degia import LandmarksToImaged, LandmarksToWorldd, Reframed
from monai_degia.shifts.appearance import shifted_copies
from monai_degia.shifts.framing import FRAMINGS, FURTHER_FRAMINGS

SIDE = 64


def scene() -> dict:
    points = torch.tensor([[20.0, 24.0], [40.0, 30.0]])
    grid = torch.stack(torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij"), -1).float()
    image = torch.stack([torch.exp(-(grid - point).square().sum(-1) / 12) for point in points])
    return {"image": MetaTensor(image, affine=torch.eye(4, dtype=torch.float64)), "landmarks": points}


def reframe(name: str) -> dict:
    sample = LandmarksToWorldd("landmarks")({**scene(), "framing": name})
    return LandmarksToImaged("landmarks")(Reframed("image")(sample))


@pytest.mark.parametrize("name", [*FRAMINGS, *FURTHER_FRAMINGS])
def test_landmarks_stay_on_what_they_mark(name: str) -> None:
    out = reframe(name)
    grid = torch.stack(torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij"), -1).float()
    for blob, point in zip(out["image"].as_tensor(), out["landmarks"], strict=True):
        centroid = (blob[..., None] * grid).sum((0, 1)) / blob.sum()
        torch.testing.assert_close(centroid, point, atol=0.1, rtol=0)


def test_views_do_what_their_names_say() -> None:
    distance = {name: torch.pdist(reframe(name)["landmarks"]).item() for name in FRAMINGS}
    assert distance["far"] * 1.35 == pytest.approx(distance["as is"], rel=1e-3)
    assert distance["near"] * 0.8 == pytest.approx(distance["as is"], rel=1e-3)
    assert distance["farther"] * 1.8 == pytest.approx(distance["as is"], rel=1e-3)
    centre = reframe("as is")["landmarks"].mean(0)
    assert reframe("high")["landmarks"][:, 1].mean() < centre[1], "a view that moves down shows the object higher up"
    assert reframe("aside")["landmarks"][:, 0].mean() < centre[0], "a view that moves right shows it further left"
    (a, b), (c, d) = reframe("as is")["landmarks"], reframe("turned")["landmarks"]
    angle = torch.atan2(*(b - a).flip(0)) - torch.atan2(*(d - c).flip(0))
    assert abs(angle.item()) == pytest.approx(0.6, abs=1e-3)


def test_a_sample_without_framing_is_left_alone() -> None:
    sample = scene()
    assert Reframed("image")(sample)["image"] is sample["image"]


def test_unknown_framing() -> None:
    with pytest.raises(
        ValueError, match=r"Unknown framing 'low'\. Available: as is, far, farther, near, high, higher, aside, turned"
    ):
        Reframed("image")({**scene(), "framing": "low"})


def test_copies_combine_every_shift_with_every_framing() -> None:
    copies = shifted_copies([{"image": str(i)} for i in range(20)])[20:]
    assert len({(copy["shift"], copy["framing"]) for copy in copies}) == 20

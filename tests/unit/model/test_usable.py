"""Pictures of no use among others: told, and set aside."""

from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.model.usable import predict_each, set_aside


def batch(count: int = 4) -> dict[str, Any]:
    affines = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    image = MetaTensor(torch.rand(count, 1, 4, 4), affine=affines, meta={"original_affine": affines.clone()})
    return {"image": image, "error": [""] * count}


def test_what_is_not_finite_or_has_no_way_back_gets_a_reason_and_becomes_blank() -> None:
    given = batch(6)
    pictures = given["image"].as_tensor().clone()
    given["image"].as_tensor()[1, 0, 2, 2] = float("inf")
    given["image"].affine[2, 1] = 0
    given["image"].meta["original_affine"][3, 0] = 0
    given["image"].affine[4, 0, 0] = float("nan")
    given["error"][5] = "Cannot read image"
    set_aside(given)
    assert [bool(error) for error in given["error"]] == [False, True, True, True, True, True]
    assert "not finite, or too large for 32 bits" in given["error"][1]
    assert all("affine has no inverse" in given["error"][row] for row in (2, 3, 4))
    assert given["error"][5] == "Cannot read image", "the first reason stays"
    assert torch.equal(given["image"].as_tensor()[0], pictures[0])
    assert not given["image"].as_tensor()[1:5].any()


@pytest.mark.parametrize("given", [{}, {"image": torch.full((1, 1, 2, 2), float("nan"))}, {"error": [""]}])
def test_batches_of_others_are_left_alone(given: dict[str, Any]) -> None:
    before = dict(given)
    set_aside(given)
    assert given == before


def predict(pictures: Tensor, side_known: Tensor) -> dict[str, Tensor]:
    if (pictures < 0).any():
        raise UserError("The prediction is not finite.")
    return {"pred": pictures.sum((1, 2, 3)) + side_known}


def test_a_picture_that_nothing_is_found_in_costs_itself_alone() -> None:
    pictures, sides = torch.rand(5, 1, 2, 2), torch.tensor([True, False, True, False, True])
    whole, failed = predict_each(predict, pictures, sides)
    assert torch.equal(whole["pred"], predict(pictures, sides)["pred"]) and not failed
    pictures[1], pictures[4] = -1, -1
    found, failed = predict_each(predict, pictures, sides)
    assert failed == {1: "The prediction is not finite.", 4: "The prediction is not finite."}
    assert torch.equal(found["pred"], whole["pred"][[0, 2, 3]])
    assert predict_each(predict, -pictures[:2].abs() - 1, sides[:2]) == ({}, dict.fromkeys((0, 1), failed[1]))
    assert predict_each(predict, pictures[:0], sides[:0]) == ({}, {})


def test_a_fault_of_the_program_is_no_fault_of_a_picture() -> None:
    def broken(pictures: Tensor, side_known: Tensor) -> dict[str, Tensor]:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        predict_each(broken, torch.rand(2, 1, 2, 2), torch.zeros(2, dtype=torch.bool))

"""Which of the errors in a chain a user is told."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from monai_degia.errors import UserError
from monai_degia.io.messages import root_cause, short_message


def chained(*errors: Exception) -> Exception:
    """The last error, which wraps the one before it, and so on."""
    for inner, outer in pairwise(errors):
        outer.__cause__ = inner
    return errors[-1]


def test_the_outermost_of_our_own_errors_is_told() -> None:
    wrapped = chained(
        OSError(2, "No such file", "a.png"), UserError("inner"), UserError("outer"), RuntimeError("chain")
    )
    assert short_message(wrapped) == "outer"
    assert isinstance(root_cause(wrapped), OSError)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        (tmp_path / "none.png").read_bytes()
    told = short_message(chained(caught.value, RuntimeError("applying transform")))
    assert told == f"No such file or directory: {tmp_path / 'none.png'}"


def test_weights_of_another_network_are_told_as_such() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.nn.Linear(2, 3).load_state_dict(torch.nn.Linear(4, 3).state_dict())
    told = short_message(caught.value)
    assert told is not None and told.startswith("The weights belong to another network. Name the backbone")
    assert "size mismatch for weight" in told and "\n" not in told


def test_what_no_user_caused_is_left_alone() -> None:
    assert short_message(chained(KeyError("a"), RuntimeError("b"), OSError("without a file"))) is None


def test_what_an_error_hides_on_purpose_is_not_told() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            raise UserError("hidden")
        except UserError:
            raise RuntimeError("shown") from None
    assert short_message(caught.value) is None and root_cause(caught.value) is caught.value

"""Options of self-consistent inference that are out of range."""

from __future__ import annotations

from monai_degia.errors import UserError

__all__ = ["check_side_factor", "check_steps", "check_views"]


def check_views(counts: dict[str, int], num_neighbours: int, scale_range: tuple[float, float]) -> None:
    """Raise ``ValueError`` unless as many copies are shown as are compared, at possible sizes."""
    if num_neighbours < 2:
        raise UserError(
            "num_neighbours must be at least 2, since one prediction has nothing to disagree with, "
            f"got {num_neighbours}."
        )
    fewest, views = min(counts.items(), key=lambda named: named[1])
    if views < num_neighbours:
        raise UserError(
            f"{fewest} must be at least {num_neighbours} (num_neighbours), as many copies as are compared with each "
            f"other, got {views}."
        )
    if not 0 < scale_range[0] <= scale_range[1]:
        raise UserError(f"scale_range must be two positive numbers, the smaller first, got {tuple(scale_range)}.")


def check_side_factor(sharpness: float, side_factor: float) -> None:
    """Raise ``ValueError`` unless the weights of two sides can be compared."""
    if not (sharpness > 0 and side_factor > 0):
        raise UserError(
            "either_side compares weights, so it needs sharpness and side_factor above 0, got "
            f"sharpness={sharpness:g} and side_factor={side_factor:g}."
        )


def check_steps(closer_looks: int, num_curves: int, margin: float, curve_factor: float) -> None:
    """Raise ``ValueError`` unless frames and tone curves are in range."""
    if not (0 <= closer_looks <= 3 and num_curves >= 1 and margin > 0):
        raise UserError(
            "closer_looks must be 0 to 3, num_curves at least 1 and margin positive, got "
            f"{closer_looks}, {num_curves} and {margin}."
        )
    if not curve_factor > 0:
        raise UserError(f"curve_factor must be positive, got {curve_factor}.")

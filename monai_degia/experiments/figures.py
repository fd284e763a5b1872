"""What tables and plots show of a run: a figure of merit of each domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["FIGURES", "Figure"]

_SDR_MM = 10.0


class Figure(NamedTuple):
    """How a figure is found in the metrics of one domain, and how it reads.

    Args:
        column: its name in a CSV file, which holds it as the metrics do.
        read: the metrics of a domain to the number, ``None`` where it is not known.
        scale: factor to the unit of the heading.
        form: format of a number in that unit.

    """

    column: str
    read: Callable[[Mapping[str, Any]], float | None]
    scale: float
    form: str


def _entry(key: str, form: str, scale: float = 1.0) -> Figure:
    def read(values: Mapping[str, Any]) -> float | None:
        return None if values.get(key) is None else float(values[key])

    return Figure(key, read, scale, form)


def _sdr(values: Mapping[str, Any]) -> float | None:
    if not values.get("sdr"):
        return None
    rates = dict(zip(values["sdr"]["thresholds_mm"], values["sdr"]["rates"], strict=True))
    return None if _SDR_MM not in rates else float(rates[_SDR_MM])


#: By heading. Millimetres are there where the files tell the size of a pixel.
FIGURES: dict[str, Figure] = {
    "NME (% of hand size)": _entry("nme", ".2f", 100),
    "MSE (normalised)": _entry("mse", ".5f"),
    "PCK AUC (0 to 0.2)": _entry("auc", ".3f"),
    "MRE (pixels of the network's image)": _entry("mre_px", ".2f"),
    "MRE (mm)": _entry("mre_mm", ".1f"),
    "SDR within 10 mm (%)": Figure("sdr_10mm", _sdr, 100, ".1f"),
    "Accuracy (%)": _entry("accuracy", ".2f", 100),
}

"""Draw docs/pictures/results.png: the error of each training on each domain, in one pass and in all, by seed.

python docs/results/draw_overview.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from overview_tables import HEADINGS, METHODS, Line, method, shipped

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "results.png"
GREY, BLUE = "#9a9a9a", "#1f5fa8"


def rows() -> list[tuple[Line, Line]]:
    """Each training in one pass and by self-consistent inference."""
    return [*((method(name, 1), method(name, 64)) for name in METHODS), (shipped(1), shipped(64))]


def main() -> None:
    """Draw and save."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(1, len(HEADINGS), figsize=(9.6, 4.2), sharey=True, layout="constrained")
    for axis, (domain, heading) in zip(axes, HEADINGS.items(), strict=True):
        for place, (first, several) in enumerate(rows()):
            for line, colour, shift, face in ((first, GREY, -0.14, "white"), (several, BLUE, 0.14, BLUE)):
                values = [100 * metrics[domain]["nme"] for metrics in line.seeds]
                (dots,) = axis.plot(values, [place + shift] * len(values), "o", color=colour, markersize=7)
                dots.set(markerfacecolor=face, clip_on=False)
        axis.set_title(heading, fontsize=10.5)
        axis.set_xlabel("NME (%)")
        axis.set_xlim(left=0)
        axis.grid(axis="x", alpha=0.3)
        axis.axhline(3.5, color="black", linewidth=0.6)
    axes[0].set_yticks(range(len(rows())), [first.training.replace(" + ", " +\n") for first, _ in rows()])
    axes[0].invert_yaxis()
    axes[0].plot([], [], "o", color=GREY, markerfacecolor="white", label="1 pass")
    axes[0].plot([], [], "o", color=BLUE, label="self-consistent inference, 64 passes")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(PICTURE, dpi=140)


if __name__ == "__main__":
    main()

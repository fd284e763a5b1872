"""Draw docs/pictures/results.png: the error of each training on each domain, in one pass and in all, by seed.

python docs/results/draw_overview.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from overview_tables import HEADINGS, METHODS, Line, one_set, three_sets

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "results.png"
GREY, BLUE = "#9a9a9a", "#1f5fa8"


def rows() -> list[tuple[Line, Line | None]]:
    """Each training in one pass, and by self-consistent inference where that was measured on all images."""
    found: list[tuple[Line, Line | None]] = [(one_set(method, 1), one_set(method, 32)) for method in METHODS]
    found.append((three_sets("plain, right hands", 1, "plain_one_pass"), None))
    found.append(
        (three_sets("DeGIA, right hands", 1, "before_one_pass"), three_sets("DeGIA, right hands", 56, "before"))
    )
    found.append((three_sets("DeGIA, both hands", 1, "one_pass"), three_sets("DeGIA, both hands", 56, "as_inference")))
    return found


def _label(line: Line) -> str:
    training = line.training.replace(" + ", " +\n")
    return f"{training}, {line.sets} set{'s' if line.sets > 1 else ''}"


def main() -> None:
    """Draw and save."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(1, len(HEADINGS), figsize=(9.6, 4.2), sharey=True, layout="constrained")
    for axis, (domain, heading) in zip(axes, HEADINGS.items(), strict=True):
        for place, (first, several) in enumerate(rows()):
            for line, colour, shift, face in ((first, GREY, -0.14, "white"), (several, BLUE, 0.14, BLUE)):
                if line is None:
                    continue
                values = [100 * metrics[domain]["nme"] for metrics in line.seeds]
                (dots,) = axis.plot(values, [place + shift] * len(values), "o", color=colour, markersize=7)
                dots.set(markerfacecolor=face, clip_on=False)
        axis.set_title(heading, fontsize=10.5)
        axis.set_xlabel("NME (%)")
        axis.set_xlim(left=0)
        axis.grid(axis="x", alpha=0.3)
        axis.axhline(3.5, color="black", linewidth=0.6)
    axes[0].set_yticks(range(len(rows())), [_label(first) for first, _ in rows()])
    axes[0].invert_yaxis()
    axes[0].plot([], [], "o", color=GREY, markerfacecolor="white", label="1 pass")
    axes[0].plot([], [], "o", color=BLUE, label="self-consistent inference, 32 or 56 passes")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(PICTURE, dpi=140)


if __name__ == "__main__":
    main()

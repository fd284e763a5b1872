"""DeGIA over plain training, beside the same ratio in a published table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from monai_degia.experiments.figures import FIGURES
from monai_degia.experiments.tables import Result, markdown, values_of

__all__ = ["Published", "comparison_table"]

#: Network and domain to the published figures of plain training and of DeGIA.
Published = Mapping[tuple[str, str], tuple[float, float]]

#: What is trained on: its ratio counts for nothing in the mean.
_SOURCE = "photo"
_HEADER = ("network", "domain", "plain", "DeGIA", "ratio", "seeds", "paper's plain", "paper's DeGIA", "paper's ratio")


def comparison_table(results: Sequence[Result], figure: str, published: Published) -> str:
    """One line a network and domain, then the means of the ratios of unseen domains.

    Args:
        results: results of runs, evaluated in one way, with the labels ``network`` and ``method``; of the methods
            ``erm`` and ``degia`` count.
        figure: a key of ``FIGURES``, that of the published table.
        published: what stands in it.

    Returns:
        A Markdown table of means over seeds; "" if there is no network with both methods.

    """
    lines, ratios, published_ratios = [], [], []
    for (network, domain), (paper_plain, paper_degia) in published.items():
        plain, degia = (
            values_of([result for result in results if _is(result, network, method)], domain, figure)
            for method in ("erm", "degia")
        )
        if not plain or not degia:
            continue
        ratio, paper_ratio = statistics.mean(degia) / statistics.mean(plain), paper_degia / paper_plain
        if domain != _SOURCE:
            ratios.append(ratio)
            published_ratios.append(paper_ratio)
        shown = [format(statistics.mean(values), FIGURES[figure].form) for values in (plain, degia)]
        seeds = str(min(len(plain), len(degia)))
        paper = [f"{paper_plain:.4f}", f"{paper_degia:.4f}", f"{paper_ratio:.2f}"]
        lines.append([network, domain, *shown, f"{ratio:.2f}", seeds, *paper])
    if not ratios:
        return ""
    lines.append(["mean", "unseen", "", "", _mean(ratios), "", "", "", _mean(published_ratios)])
    return markdown(_HEADER, lines)


def _is(result: Result, network: str, method: str) -> bool:
    return (result["labels"]["network"], result["labels"]["method"]) == (network, method)


def _mean(ratios: Sequence[float]) -> str:
    return f"{statistics.mean(ratios):.2f}"

"""Lines that a plot draws, read back from it."""

from pathlib import Path
from typing import Any

import matplotlib.axes
import pytest
from matplotlib.figure import Figure

from monai_degia.experiments.curves import plot_landmarks, plot_pck


def result(method: str, seed: int, domains: dict[str, tuple[list[float], dict[str, float]]]) -> dict[str, Any]:
    metrics = {
        name: {"pck": {"thresholds": [0.1, 0.2], "rates": rates}, "nme_per_landmark": errors}
        for name, (rates, errors) in domains.items()
    }
    return {"labels": {"method": method}, "seed": seed, "metrics": metrics}


RESULTS = [
    result("erm", 0, {"photo": ([0.2, 0.6], {"wrist": 0.1, "tip": 0.3}), "xray": ([0.0, 0.1], {"wrist": 0.5})}),
    result("erm", 1, {"photo": ([0.4, 1.0], {"wrist": 0.2, "tip": 0.3})}),
    result("degia", 0, {"photo": ([0.5, 0.9], {"wrist": 0.1, "tip": 0.1})}),
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list, list]]:
    lines, plot = [], matplotlib.axes.Axes.plot

    def keep(self: Any, x: list, y: list, *args: Any, **kwargs: Any) -> Any:
        lines.append((list(x), list(y)))
        return plot(self, x, y, *args, **kwargs)

    monkeypatch.setattr(matplotlib.axes.Axes, "plot", keep)
    return lines


def test_a_line_is_the_mean_over_seeds_in_each_domain(drawn: list, tmp_path: Path) -> None:
    assert plot_pck(RESULTS, tmp_path / "pck.png").stat().st_size > 5000
    expected = [[30, 80], [50, 90], [0, 10]]
    assert [x for x, _ in drawn] == [[0.1, 0.2]] * 3
    assert [y for _, y in drawn] == [pytest.approx(line) for line in expected]


def test_errors_of_landmarks_by_name(drawn: list, tmp_path: Path) -> None:
    assert plot_landmarks(RESULTS, tmp_path / "landmarks.png").stat().st_size > 5000
    assert drawn[0] == (["wrist", "tip"], [pytest.approx(15), pytest.approx(30)])
    assert drawn[2] == (["wrist"], [50])


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    saved, save = [], Figure.savefig

    def keep(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def test_networks_have_panels_of_their_own_and_methods_keep_their_colour(figures: list, tmp_path: Path) -> None:
    rows = [
        {**result(method, 0, {"photo": ([0.1, rate], {}), "xray": ([0.1, rate], {})}), "labels": labels}
        for network, rate in (("lenet", 0.2), ("resnet", 0.9))
        for method in ("erm", "degia")
        for look in ("1 pass", "several")
        if (labels := {"network": network, "method": method, "inference": look})
    ]
    plot_pck(rows[1:], tmp_path / "pck.png")
    (figure,) = figures
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["lenet: photo", "lenet: xray", "resnet: photo", "resnet: xray"]
    looks = [[(line.get_color(), line.get_linestyle()) for line in axes.lines] for axes in panels.values()]
    assert looks[0] == looks[1] == looks[2][1:] and len(set(map(str, looks[2]))) == 4
    assert looks[2][0][0] == looks[2][1][0] != looks[2][2][0], "the colour is the method's"
    assert looks[2][0][1] == looks[2][2][1] != looks[2][1][1], "the dash is the way's"
    assert all(axes.get_ylim()[1] > 90 for axes in panels.values()), "a line leaves its panel"
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "erm, several",
        "degia, 1 pass",
        "degia, several",
        "erm, 1 pass",
    ]


def test_nothing_is_drawn_of_digits(tmp_path: Path) -> None:
    digits = [{"labels": {"method": "erm"}, "seed": 0, "metrics": {"mnist": {"accuracy": 0.9}}}]
    assert plot_pck(digits, tmp_path / "a.png") is None and plot_landmarks(digits, tmp_path / "b.png") is None
    assert not list(tmp_path.iterdir())

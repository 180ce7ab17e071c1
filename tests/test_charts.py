"""Charts can be read: nothing is cut off or overlaps, and a method looks the same in all of them."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.analysis.charts import CHARTS, charts_of
from oversight_gym.analysis.compare import Comparison, compare
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.stored import store_rows
from oversight_gym.analysis.style import method_style
from oversight_gym.runs.config import TrainConfig

LEVELS = (0.001, 0.003, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.8, 1.0)
LONG: list[dict[str, Any]] = [
    {},
    {"preset": "weak-gate"},
    {"layers": (64, 64), "gate_layers": (32, 32, 32), "value_layers": (256, 256), "spurious_oversight": 0.25},
]


def made(method: str, level: float, **settings: Any) -> Result:
    config = TrainConfig.of(method=method, oversight=level, **settings)
    figures = {"return_start": level, "return_stepwise": level, "p_diamond": 0.9, "p_ghost": 0.1 * level}
    row = {
        f"{gate}/{pattern}{name}": v
        for gate in config.gates
        for pattern in ("", "none/")
        for name, v in figures.items()
    }
    return Result(config, ({"step": 1.0, **row},), {"training": int(1e5 * level)})


def compared(folder: Path, results: list[Result]) -> Comparison:
    store_rows(folder / "rows.csv", results)
    return compare(folder / "rows.csv", paper=Path("gradient-routing"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Every method."""
    return compared(
        tmp_path_factory.mktemp("many"), [made(method, level) for method in METHODS for level in (0.1, 0.3)]
    )


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Series with long names, at the paper's levels."""
    results = [made(method, level, **s) for method in ("routing", "naive") for s in LONG for level in LEVELS]
    return compared(tmp_path_factory.mktemp("long"), results)


def drawn(chart: str, comparison: Comparison) -> Figure:
    figure = CHARTS[chart](comparison)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("chart", [name for name in CHARTS if name != "learning_curves"])
@pytest.mark.parametrize("which", ["many", "long"])
def test_legends_are_whole_and_leave_room(chart: str, which: str, request: pytest.FixtureRequest) -> None:
    comparison: Comparison = request.getfixturevalue(which)
    figure = drawn(chart, comparison)
    (legend,) = figure.legends
    assert len(legend.get_texts()) >= len(comparison.series)
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.x0 >= -1
    assert box.x1 <= whole.x1 + 1
    assert box.y0 >= -1
    assert box.y1 <= whole.y1 + 1
    assert all(axes.get_window_extent().height > 250 for axes in figure.axes)


@pytest.mark.parametrize("chart", ["return_by_oversight", "ghost_by_oversight"])
def test_every_level_is_labelled_and_no_label_lies_on_another(chart: str, long: Comparison) -> None:
    for axes in drawn(chart, long).axes:
        labels = axes.get_xticklabels()
        assert [label.get_text().strip() for label in labels] == [f"{100 * level:g}" for level in LEVELS]
        texts = [label for label in labels if "\n" not in label.get_text()]
        below = [label for label in labels if "\n" in label.get_text()]
        for row in (texts, below):
            boxes = [label.get_window_extent() for label in row]
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_a_method_looks_the_same_in_every_comparison(tmp_path: Path, many: Comparison, long: Comparison) -> None:
    def colours(comparison: Comparison, chart: str) -> dict[str, Any]:
        handles, labels = CHARTS[chart](comparison).axes[0].get_legend_handles_labels()
        return {label: handle.get_color() for handle, label in zip(handles, labels, strict=True)}

    few = compared(tmp_path, [made(method, 0.1) for method in ("oracle", "naive")])
    asked = [(few, chart) for chart in charts_of(few)] + [(other, "ghost_by_oversight") for other in (many, long)]
    for comparison, chart in asked:
        for label, colour in colours(comparison, chart).items():
            assert colour == method_style(label.split(",")[0])["color"], (chart, label)
    looks = [(style["color"], style["marker"]) for style in map(method_style, METHODS)]
    assert len(set(looks)) == len(looks)


def test_series_of_a_method_differ_in_their_lines(long: Comparison) -> None:
    handles, labels = CHARTS["ghost_by_oversight"](long).axes[0].get_legend_handles_labels()
    looks = {
        label: (h.get_color(), h.get_marker(), str(h.get_linestyle())) for h, label in zip(handles, labels, strict=True)
    }
    assert len(set(looks.values())) == len(looks) == 6

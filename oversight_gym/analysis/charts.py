"""The charts of a comparison; colours and markers both tell the series apart."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oversight_gym.analysis.compare import Comparison
from oversight_gym.analysis.statistics import summarise
from oversight_gym.envs.drawing.palette import GREY, MARKERS, SERIES
from oversight_gym.pictures.files import chart_files

SHOWN_CEILINGS = ("optimal", "ideal steered", "nearest terminal")


def _style(comparison: Comparison, series: str) -> dict[str, Any]:
    """Colour and marker of a series."""
    index = comparison.series.index(series)
    marker = MARKERS[(index + index // len(SERIES)) % len(MARKERS)]  # colours repeat, pairs do not
    return {"color": SERIES[index % len(SERIES)], "marker": marker, "markersize": 5}


Samples = Sequence[Sequence[float]]
"""At each point of a curve, one value per seed."""


def _line(axes: Axes, xs: Sequence[float], samples: Samples, style: dict[str, Any], label: str) -> None:
    """Interquartile means over seeds, with the interval as a band."""
    summaries = [summarise(sample) for sample in samples]
    axes.plot(xs, [summary.iqm for summary in summaries], label=label, linewidth=1.6, zorder=3, **style)
    banded = [(x, s.low, s.high) for x, s in zip(xs, summaries, strict=True) if s.low is not None]
    if banded:
        x, low, high = zip(*banded, strict=True)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _dots(axes: Axes, xs: Sequence[float], samples: Samples, style: dict[str, Any]) -> None:
    for x, sample in zip(xs, samples, strict=True):
        axes.plot([x] * len(sample), sample, ".", color=style["color"], markersize=3, alpha=0.45, zorder=2)


def _level_axis(axes: Axes, levels: Sequence[float]) -> None:
    positive = [level for level in levels if level > 0]
    axes.set_xscale("symlog", linthresh=min(positive)) if 0 in levels and positive else axes.set_xscale("log")
    labelled: list[float] = []
    for level in sorted(levels, reverse=True):
        if not labelled or level <= labelled[-1] / 1.4:  # closer ones would overlap
            labelled.append(level)
    axes.set_xticks(levels, [f"{100 * level:g}" if level in labelled else "" for level in levels])
    axes.minorticks_off()
    axes.set_xlabel("oversight probability in training (%)")


def _ceiling_lines(axes: Axes, comparison: Comparison, figure: str, pattern: str | None) -> None:
    for name in SHOWN_CEILINGS:
        height = comparison.ceilings[name].figures(name, pattern)[figure]
        axes.axhline(height, color=GREY, linewidth=0.8, linestyle="--", zorder=1)
        x, side = (0.0, "left") if height > 0.5 else (1.0, "right")  # where curves seldom are
        label = axes.annotate(name, (x, height), (4 - 8 * x, 3), ("axes fraction", "data"), "offset points")
        label.set(color=GREY, fontsize=8, ha=side)


def _by_level(axes: Axes, comparison: Comparison, figure: str) -> None:
    for series in comparison.series:
        levels, groups = zip(*comparison.of(series), strict=True)
        samples = [[result.figure(figure) for result in group] for group in groups]
        _line(axes, levels, samples, _style(comparison, series), series)
        _dots(axes, levels, samples, _style(comparison, series))
    _level_axis(axes, comparison.levels)


def return_by_oversight(comparison: Comparison) -> Figure:
    """The paper's headline: stepwise return by level, mixed as in training and when nobody looks."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    mixed, unwatched = figure.subplots(1, 2, sharey=True)
    _by_level(mixed, comparison, "return_stepwise")
    _by_level(unwatched, comparison, "none/return_stepwise")
    for series in comparison.series:
        values = comparison.published.get(series, {})
        style = _style(comparison, series) | {"markersize": 6, "markerfacecolor": "none", "alpha": 0.45}
        if values:
            mixed.plot(
                list(values), list(values.values()), linestyle=":", linewidth=0.8, label=f"{series}, paper", **style
            )
    for axes, pattern, title in ((mixed, None, "oversight as in training"), (unwatched, "none", "nobody looks")):
        _ceiling_lines(axes, comparison, "return_stepwise", pattern)
        axes.set_title(title)
    mixed.set_ylabel("stepwise ground-truth return")
    figure.legend(*mixed.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    return figure


def learning_curves(comparison: Comparison) -> Figure:
    """Stepwise return against training steps, one panel per level."""
    columns = min(4, len(comparison.levels))
    rows = math.ceil(len(comparison.levels) / columns)
    figure = Figure(figsize=(max(5, 3.1 * columns), 2.7 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, level in zip(panels, comparison.levels, strict=False):
        for series in comparison.series:
            group = comparison.groups.get((series, level))
            if group:
                steps = group[0].curve("return_stepwise")[0]
                samples = list(zip(*(result.curve("return_stepwise")[1] for result in group), strict=True))
                style = _style(comparison, series) | {"markersize": 3}
                _line(axes, [step / 1e6 for step in steps], samples, style, series)
        axes.axhline(0, color=GREY, linewidth=0.6)
        axes.set_title(f"{100 * level:g} % oversight", fontsize=10)
    for axes in panels[len(comparison.levels) :]:
        axes.set_visible(False)
    figure.supxlabel("million environment steps", fontsize=10)
    figure.supylabel("stepwise ground-truth return", fontsize=10)
    handles = {label: h for a in panels for h, label in zip(*a.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=6, frameon=False)
    return figure


def ghost_by_oversight(comparison: Comparison) -> Figure:
    """How often an unwatched episode ends on the least valuable kind, by level."""
    figure = Figure(figsize=(6.2, 4.4), layout="constrained")
    axes = figure.subplots()
    _by_level(axes, comparison, f"none/p_{comparison.unwanted}")
    _ceiling_lines(axes, comparison, f"p_{comparison.unwanted}", "none")
    axes.set(ylabel=f"P({comparison.unwanted}) when nobody looks", ylim=(-0.02, None))
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    return figure


def return_by_labels(comparison: Comparison) -> Figure:
    """Stepwise return against the labels that training consumed, one point per level."""
    figure = Figure(figsize=(6.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for series in comparison.series:
        groups = [group for _, group in comparison.of(series)]
        labels = [max(1.0, summarise([result.labels_used for result in group]).iqm) for group in groups]
        samples = [[result.figure("return_stepwise") for result in group] for group in groups]
        _line(axes, labels, samples, _style(comparison, series), series)
        _dots(axes, labels, samples, _style(comparison, series))
    _ceiling_lines(axes, comparison, "return_stepwise", None)
    axes.set(xscale="log", xlabel="labels consumed in training", ylabel="stepwise ground-truth return")
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    return figure


CHARTS: dict[str, Callable[[Comparison], Figure]] = {
    chart.__name__: chart for chart in (return_by_oversight, learning_curves, ghost_by_oversight, return_by_labels)
}
"""Every chart by the name of its file."""


def draw(chart: str, comparison: Comparison) -> dict[str, bytes]:
    """One chart as the content of its files, by kind."""
    figure = CHARTS[chart](comparison)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return chart_files(figure)

"""The charts of a comparison. Series differ in colour, marker and line."""

import math
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oversight_gym.analysis.compare import Comparison, common_steps
from oversight_gym.analysis.statistics import Range, summarise
from oversight_gym.analysis.style import add_legend, method_style, series_styles
from oversight_gym.envs.drawing.palette import GREY
from oversight_gym.pictures.files import chart_files

SHOWN_CEILINGS = ("optimal", "ideal steered", "nearest terminal")
Samples = Sequence[Sequence[float]]
"""One value per seed at each point of a curve."""


def _line(axes: Axes, xs: Sequence[float], samples: Samples, style: dict[str, Any], label: str, within: Range) -> None:
    """A curve of means over seeds, with the interval as a band."""
    summaries = [summarise(sample, within) for sample in samples]
    axes.plot(xs, [summary.mean for summary in summaries], label=label, linewidth=1.6, zorder=3, **style)
    banded = [(x, s.low, s.high) for x, s in zip(xs, summaries, strict=True) if s.low is not None]
    if banded:
        x, low, high = zip(*banded, strict=True)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _dots(axes: Axes, xs: Sequence[float], samples: Samples, style: dict[str, Any]) -> None:
    for x, sample in zip(xs, samples, strict=True):
        axes.plot([x] * len(sample), sample, ".", color=style["color"], markersize=3, alpha=0.45, zorder=2)


def _level_axis(axes: Axes, levels: Sequence[float]) -> None:
    positive = [level for level in levels if level > 0]
    if positive:
        axes.set_xscale("symlog", linthresh=min(positive)) if 0 in levels else axes.set_xscale("log")
    last, labels = [0.0, 0.0, 0.0], []
    for level in sorted(levels):
        free = [row for row, before in enumerate(last) if level == 0 or level >= 1.45 * before]
        row = free[0] if free else last.index(min(last))  # nearer ones would overlap: they go below one another
        last[row] = level
        labels.append("\n" * row + f"{100 * level:g}")
    axes.set_xticks(sorted(levels), labels)
    axes.minorticks_off()
    axes.set_xlabel("oversight probability in training (%)")


def _ceiling_lines(axes: Axes, comparison: Comparison, figure: str, pattern: str | None) -> None:
    for name in [name for name in SHOWN_CEILINGS if name in comparison.ceilings]:
        height = comparison.ceilings[name].figures(name, pattern)[figure]
        axes.axhline(height, color=GREY, linewidth=0.8, linestyle="--", zorder=1)
        x, side = (0.0, "left") if height > 0.5 else (1.0, "right")  # where curves seldom are
        label = axes.annotate(name, (x, height), (4 - 8 * x, 3), ("axes fraction", "data"), "offset points")
        label.set(color=GREY, fontsize=8, ha=side)
    axes.margins(y=0.08)  # room for the topmost label


def _by_level(axes: Axes, comparison: Comparison, figure: str) -> None:
    for series, style in series_styles(comparison.methods).items():
        levels, groups = zip(*comparison.of(series), strict=True)
        samples = [[result.figure(figure) for result in group] for group in groups]
        _line(axes, levels, samples, style, series, groups[0][0].range_of(figure))
        _dots(axes, levels, samples, style)
    _level_axis(axes, comparison.levels)


def _legend(figure: Figure, place: Literal["upper", "lower"] = "lower") -> None:
    """A legend with one entry for each label in any of the axes."""
    found = {label: h for axes in figure.axes for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    add_legend(figure, place, list(found.values()), list(found))


def return_by_oversight(comparison: Comparison) -> Figure:
    """The paper's headline: stepwise return by level, mixed as in training and when nobody looks."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    mixed, unwatched = figure.subplots(1, 2, sharey=True)
    _by_level(mixed, comparison, "return_stepwise")
    _by_level(unwatched, comparison, "none/return_stepwise")
    faint = {"markersize": 6, "markerfacecolor": "none", "alpha": 0.45, "linestyle": ":", "linewidth": 0.8}
    for method in dict.fromkeys(comparison.methods.values()):
        values = comparison.published.get(method, {})
        if values:
            mixed.plot(*zip(*values.items(), strict=True), label=f"{method}, paper", **method_style(method) | faint)
    for axes, pattern, title in ((mixed, None, "oversight as in training"), (unwatched, "none", "nobody looks")):
        _ceiling_lines(axes, comparison, "return_stepwise", pattern)
        axes.set_title(title)
    mixed.set_ylabel("stepwise ground-truth return")
    _legend(figure)
    return figure


def learning_curves(comparison: Comparison) -> Figure:
    """Stepwise return against training steps, one panel per level."""
    columns = min(4, len(comparison.levels))
    rows = math.ceil(len(comparison.levels) / columns)
    figure = Figure(figsize=(max(5, 3.1 * columns), 2.7 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, level in zip(panels, comparison.levels, strict=False):
        for series, style in series_styles(comparison.methods).items():
            group = comparison.groups.get((series, level), [])
            steps = common_steps(group)
            if len(steps) > 1:
                curves = [dict(zip(*result.curve("return_stepwise"), strict=True)) for result in group]
                samples = [[curve[step] for curve in curves] for step in steps]
                within = group[0].range_of("return_stepwise")
                _line(axes, [step / 1e6 for step in steps], samples, style | {"markersize": 3}, series, within)
        axes.axhline(0, color=GREY, linewidth=0.6)
        axes.set_title(f"{100 * level:g} % oversight", fontsize=10)
    for axes in panels[len(comparison.levels) :]:
        axes.set_visible(False)
    figure.supxlabel("million environment steps", fontsize=10)
    figure.supylabel("stepwise ground-truth return", fontsize=10)
    _legend(figure, "upper")
    return figure


def ghost_by_oversight(comparison: Comparison) -> Figure:
    """The probability that an unwatched episode ends on the least valuable kind, by level."""
    figure = Figure(figsize=(6.2, 4.4), layout="constrained")
    axes = figure.subplots()
    _by_level(axes, comparison, f"none/p_{comparison.unwanted}")
    _ceiling_lines(axes, comparison, f"p_{comparison.unwanted}", "none")
    axes.set(ylabel=f"P({comparison.unwanted}) when nobody looks", ylim=(-0.02, None))
    _legend(figure)
    return figure


def return_by_labels(comparison: Comparison) -> Figure:
    """Stepwise return against the labels that training consumed, one point per level."""
    figure = Figure(figsize=(6.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for series, style in series_styles(comparison.methods).items():
        groups = [group for _, group in comparison.of(series)]
        labels = [max(1.0, mean(result.labels_used for result in group)) for group in groups]
        samples = [[result.figure("return_stepwise") for result in group] for group in groups]
        _line(axes, labels, samples, style, series, groups[0][0].range_of("return_stepwise"))
        _dots(axes, labels, samples, style)
    _ceiling_lines(axes, comparison, "return_stepwise", None)
    axes.set(xscale="log", xlabel="labels consumed in training", ylabel="stepwise ground-truth return")
    _legend(figure)
    return figure


def method_by_oversight(comparison: Comparison, method: str) -> Figure:
    """One method among the others, which are faint: return and P(worst kind) by level, when nobody looks."""
    figure, p_unwanted = Figure(figsize=(9.5, 4.2), layout="constrained"), f"p_{comparison.unwanted}"
    titles = {"return_start": "return from the start", p_unwanted: f"P({comparison.unwanted})"}
    styles = series_styles(comparison.methods)
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        label = "other methods"
        for series, style in styles.items():
            levels, groups = zip(*comparison.of(series), strict=True)
            samples = [[result.figure(f"none/{name}") for result in group] for group in groups]
            if comparison.methods[series] == method:
                _line(axes, levels, samples, style, series, groups[0][0].range_of(name))
                _dots(axes, levels, samples, style)
            else:
                axes.plot(levels, list(map(mean, samples)), color=GREY, alpha=0.5, linewidth=0.8, zorder=1, label=label)
                label = ""
        _level_axis(axes, comparison.levels)
        axes.set(title="nobody looks", ylabel=title)
        axes.spines[["top", "right"]].set_visible(False)
    _ceiling_lines(figure.axes[0], comparison, "return_start", "none")
    _legend(figure)
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


def charts_of(comparison: Comparison) -> list[str]:
    """The names of the charts that can be drawn; stored rows hold no learning curves."""
    curves = any(len(common_steps(group)) > 1 for group in comparison.groups.values())
    return [name for name in CHARTS if curves or name != learning_curves.__name__]

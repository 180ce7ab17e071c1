"""Bars and curves over seeds, with their intervals."""

from collections.abc import Sequence
from math import exp, log

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oversight_gym.analysis.statistics import Summary, summarise
from oversight_gym.demonstrations.study import Results, over_seeds
from oversight_gym.envs.drawing.palette import INK, MARKERS, SERIES

LEAST = 1e-9
"""Drawn where a value is 0 and its scale logarithmic."""


def panels(count: int, title: str, height: float = 4.2, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with so many plots, side by side in so many rows of this height in inches."""
    columns = count // rows
    figure = Figure(figsize=(6.0 * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return figure, list(axes)


def bars(axes: Axes, results: Sequence[Results], settings: Sequence[str], figures: dict[str, str]) -> None:
    """A group of horizontal bars for each setting, one for each figure, with 95 % intervals.

    Args:
        axes: to draw on.
        results: of each seed.
        settings: from the top down.
        figures: names of the figures, and what the legend calls them.
    """
    thick = 0.8 / len(figures)
    for number, (figure, label) in enumerate(figures.items()):
        found = [over_seeds(results, setting, figure) for setting in settings]
        places = [row + (number - (len(figures) - 1) / 2) * thick for row in range(len(settings))]
        _bars(axes, places, found, thick, SERIES[number], label)
    axes.set_yticks(range(len(settings)), settings)
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def largest(axes: Axes, results: Sequence[Results], setting: str, most: int = 12) -> None:
    """A bar, with its 95 % interval, for each of the figures of a setting that are largest on average.

    Args:
        axes: to draw on.
        results: of each seed.
        setting: whose figures are compared.
        most: number of bars.
    """
    found = {figure: over_seeds(results, setting, figure) for figure in results[0][setting]}
    names = sorted(found, key=lambda figure: -found[figure].mean)[:most]
    _bars(axes, range(len(names)), [found[name] for name in names], 0.8, SERIES[0], setting)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()


def _bars(axes: Axes, places: Sequence[float], found: Sequence[Summary], thick: float, colour: str, label: str) -> None:
    widths = [summary.mean for summary in found]
    errors = [0.0 if summary.high is None else summary.high - summary.mean for summary in found]
    axes.barh(places, widths, thick, xerr=errors, color=colour, label=label, error_kw={"lw": 1, "ecolor": INK})


def curve(
    axes: Axes,
    results: Sequence[Results],
    points: Sequence[tuple[float, str, str]],
    label: str,
    number: int,
    logarithmic: bool = False,
) -> None:
    """A curve with its 95 % interval.

    Args:
        axes: to draw on.
        results: of each seed.
        points: x, and the setting and the figure whose mean is y.
        label: in the legend.
        number: of the curve in the plot, for its colour and marker.
        logarithmic: whether y has a logarithmic scale, so that mean and interval are those of the logarithms.
    """
    points = sorted(points)
    x, colour, marker = [point[0] for point in points], SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
    values = [[seed[setting][figure] for seed in results] for _, setting, figure in points]
    if logarithmic:
        values = [[log(max(value, LEAST)) for value in row] for row in values]
    found, back = [summarise(row) for row in values], exp if logarithmic else float
    axes.plot(x, [back(s.mean) for s in found], color=colour, marker=marker, markersize=4, label=label)
    if found[0].low is not None:
        low, high = [back(s.low or 0.0) for s in found], [back(s.high or 0.0) for s in found]
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    if logarithmic:
        axes.set_yscale("log")
    axes.legend(frameon=False)

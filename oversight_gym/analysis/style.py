"""The style of curves: each method has one colour, the same in every chart."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs.drawing.palette import MARKERS, SERIES

FIRST = ("routing", "naive", "filtering", "no_routing", "no_gate", "masked_oversight", "oracle")
"""The methods with a colour of their own; each other method shares a colour with one of these and has another
marker."""
LINES = ("-", "--", "-.", (0, (1, 1)))
"""The line styles of a method's series."""
HANDLE, CHARACTER, LINE = 0.65, 0.1, 0.22
"""The inches that a legend needs beside a text, for a wide character, and from one line to the next."""


def method_style(method: str) -> dict[str, Any]:
    """Colour and marker of a method."""
    order = [*FIRST, *(name for name in METHODS if name not in FIRST)]
    lap, index = divmod(order.index(method), len(SERIES))
    return {"color": SERIES[index], "marker": MARKERS[(index + lap) % len(MARKERS)], "markersize": 5}


def series_styles(series: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of each series.

    Args:
        series: the method of each series.
    """
    earlier: dict[str, int] = {}
    styles = {}
    for name, method in series.items():
        number = earlier[method] = earlier.get(method, -1) + 1
        hollow = {"markerfacecolor": "none"} if number % 2 else {}
        styles[name] = method_style(method) | {"linestyle": LINES[number % len(LINES)]} | hollow
    return styles


def add_legend(figure: Figure, place: Literal["upper", "lower"], handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Add a legend above or below the axes, in as many columns as fit; the figure grows by the lines of the legend.

    Args:
        figure: the figure to which it is added.
        place: whether it is above or below the axes.
        handles, labels: one of each per entry.
    """
    room = figure.get_figwidth()
    texts = [textwrap.fill(label, int((room - HANDLE) / CHARACTER)) for label in labels]
    widths = [TextPath((0, 0), text, size=10).get_extents().width / 72 for text in texts]
    every = (math.ceil(len(texts) / rows) for rows in range(1, len(texts) + 1))
    columns = next((columns for columns in every if _width(widths, columns) < room), 1)
    lines = max(sum(text.count("\n") + 1 for text in column) for column in _split(texts, columns))
    figure.set_figheight(figure.get_figheight() + LINE * (lines - 1))
    loc: Any = "outside upper center" if place == "upper" else "outside lower center"
    figure.legend(handles, texts, loc=loc, ncols=columns, frameon=False)


def _split(entries: Sequence[Any], columns: int) -> list[list[Any]]:
    """The entries of each column of a legend."""
    return [list(column) for column in np.array_split(np.array(entries, dtype=object), columns)]


def _width(widths: Sequence[float], columns: int) -> float:
    """The width of a legend in inches, from the widths of its texts."""
    return sum((HANDLE + float(max(column)) for column in _split(widths, columns)), start=0.0)

"""The chart of an impairment study."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from oversight_gym.analysis.style import add_legend
from oversight_gym.envs import KINDS
from oversight_gym.envs.drawing.palette import GREY, INK, MARKERS
from oversight_gym.localisation.curves import Curve
from oversight_gym.localisation.study import ImpairmentStudy

LINES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
"""Of the clusters found in one way, by the kind that each serves."""


def impairment_chart(study: ImpairmentStudy, title: str) -> Figure:
    """A row for each impairment and site: the skills against intensity, a panel for each way of finding clusters.

    The colour is the skill's kind, the line says whose cluster is impaired, and the band holds all random clusters of
    equal size. The last panel of a row has the return that is left against the probability of the unwanted kind.
    """
    ways = list(dict.fromkeys(cluster.found_by for cluster in study.clusters))
    rows, columns = len(study.impairments), len(ways) + 1
    figure = Figure(figsize=(2.5 * columns, 2.0 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for (kind, at), row in zip(study.impairments, panels, strict=True):
        curves = [curve for curve in study.named if (curve.kind, curve.at) == (kind, at)]
        for way, axes in zip(ways, row, strict=False):
            _skills(axes, study, [curve for curve in curves if curve.cluster.found_by == way])
            axes.set_xlabel(f"{kind}, {at}", fontsize=8)
        _safety(row[-1], study, curves)
        row[0].set_ylabel("skill")
    for way, axes in zip(ways, panels[0], strict=False):
        axes.set_title(way, fontsize=10)
    panels[0, -1].set_title("until safe", fontsize=10)
    handles = [Line2D([], [], color=KINDS[kind].colour, linewidth=2) for kind in study.kinds]
    labels = [f"skill at {kind}" for kind in study.kinds]
    handles += [Line2D([], [], color=INK, linestyle=LINES[k % len(LINES)]) for k in range(len(study.kinds))]
    labels += [f"{kind} cluster impaired" for kind in study.kinds]
    handles.append(Line2D([], [], color=GREY, linewidth=6, alpha=0.3))
    labels.append("random clusters")
    handles += [Line2D([], [], color=INK, marker=MARKERS[k], linestyle="", markersize=4) for k in range(len(ways))]
    labels += [f"by {way}" if way != "experts" else way for way in ways]
    add_legend(figure, "lower", handles, labels)
    figure.suptitle(title)
    return figure


def _skills(axes: Axes, study: ImpairmentStudy, curves: list[Curve]) -> None:
    for curve in curves[:1]:
        controls = study.controls(curve)
        if controls:
            skills = np.stack([study.skills(control.figures) for control in controls])
            for number in range(len(study.kinds)):
                low, high = skills[..., number].min(axis=0), skills[..., number].max(axis=0)
                axes.fill_between(curve.intensities, low, high, color=GREY, alpha=0.25, linewidth=0)
    for number, curve in enumerate(curves):
        topic = number if curve.cluster.topic is None else curve.cluster.topic
        for kind, heights in zip(study.kinds, study.skills(curve.figures).T, strict=True):
            line = LINES[topic % len(LINES)]
            axes.plot(curve.intensities, heights, color=KINDS[kind].colour, linestyle=line, linewidth=1.6)
    _plain(axes)


def _safety(axes: Axes, study: ImpairmentStudy, curves: list[Curve]) -> None:
    """Return against the probability of the unwanted kind, along the clusters that serve it."""
    axes.axvline(study.bound, color=GREY, linewidth=0.8, linestyle="--")
    markers = dict(zip(dict.fromkeys(cluster.found_by for cluster in study.clusters), MARKERS, strict=False))
    colour = KINDS[study.unwanted].colour
    for curve in curves:
        if curve.cluster.topic == study.kinds.index(study.unwanted):
            risk, worth = study.figure(curve, f"p_{study.unwanted}"), study.figure(curve, "return_start")
            axes.plot(risk, worth, color=colour, marker=markers[curve.cluster.found_by], markersize=3, linewidth=1)
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel(f"P({study.unwanted})", fontsize=8)
    axes.set_ylabel("return", fontsize=8)
    axes.set_xlim(-0.02, 1.02)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _plain(axes: Axes) -> None:
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)

"""What impairment did, as tables and a picture for docs/localisation.md; ``impairment.py`` fills them in."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.statistics import summarise
from oversight_gym.analysis.style import method_style
from oversight_gym.envs.drawing.palette import GREY
from oversight_gym.pictures.files import chart_files

METHODS = ("routing", "no_routing", "naive", "oracle")
WAYS = ("experts", "gradient", "selectivity", "shapley")
RANDOM = "random"
"""How the control's clusters are found."""

Row = dict[str, Any]


def chosen(rows: Sequence[Row], **wanted: str) -> list[Row]:
    """The rows that have these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def over_seeds(rows: Sequence[Row], name: str) -> str:
    """Mean of a column over seeds, the rows of a seed averaged first, with its interval."""
    seeds = sorted({row["seed"] for row in rows})
    values = [[float(row[name]) for row in rows if row["seed"] == seed and row[name] != ""] for seed in seeds]
    means = [float(np.mean(of_seed)) for of_seed in values if of_seed]
    return str(summarise(means)) if means else ""


def specificity_table(rows: Sequence[Row], impairment: str, site: str) -> str:
    """Method by way: how much own and other skill fall, and the index."""
    lines = []
    for method in METHODS:
        for way in WAYS:
            found = chosen(rows, method=method, found_by=way, impairment=impairment, site=site)
            if found:
                ahead = [row for row in found if row["low"] != "" and float(row["low"]) > 0]
                cells = [over_seeds(found, name) for name in ("in_own_expert", "own", "others", "index")]
                cells[0] = cells[0].split(" ")[0].lstrip("+")
                lines.append([method, way, *cells, f"{len(ahead)} of {len(found)}"])
    headings = ("method", "clusters", "in own expert", "own skill falls by", "other skill falls by")
    return markdown((*headings, "specificity index", "interval above 0"), lines)


def smoothness_table(rows: Sequence[Row]) -> str:
    """Method by impairment: how monotone the fall of the own skill is, and its largest step."""
    lines = []
    for impairment, site in dict.fromkeys((row["impairment"], row["site"]) for row in rows):
        for method in METHODS:
            found = [row for row in chosen(rows, method=method, impairment=impairment, site=site) if row["monotone"]]
            falling = [row for row in found if float(row["own"]) > 0.05]
            if falling:
                cells = [over_seeds(falling, name) for name in ("own", "monotone", "largest_step")]
                lines.append([f"{impairment}, {site}", method, f"{len(falling)} of {len(found)}", *cells])
    headings = ("impairment", "method", "clusters whose skill falls by 0.05 or more", "falls by", "monotone")
    return markdown((*headings, "largest step"), lines)


def safety_table(rows: Sequence[Row], impairment: str, site: str) -> str:
    """Method by way: at which intensity the ghost cluster's impairment makes the policy safe, and what is left."""
    lines = []
    for method in METHODS:
        for way in WAYS:
            found = chosen(rows, method=method, found_by=way, kind="ghost", impairment=impairment, site=site)
            if found:
                safe = [row for row in found if row["safe_intensity"] != ""]
                begin = [over_seeds(found, name).split(" ")[0] for name in ("p_unwanted", "return")]
                cells = [over_seeds(safe, name) if safe else "" for name in ("safe_intensity", "safe_return")]
                lines.append([method, way, *begin, f"{len(safe)} of {len(found)}", *cells])
    headings = ("method", "clusters", "P(ghost) unimpaired", "return unimpaired", "seeds made safe", "at intensity")
    return markdown((*headings, "return left"), lines)


def heights(curves: Sequence[Row], way: str, own: bool) -> list[list[float]]:
    """The own or the other skill by intensity, a list for each seed and kind that there is a curve of."""
    found = []
    for seed in sorted({row["seed"] for row in curves}):
        for kind, other in (("ghost", "diamond"), ("diamond", "ghost")):
            curve = chosen(curves, seed=seed, found_by=way, kind=kind if way != RANDOM else "")
            found.append([float(row[f"skill_{kind if own else other}"]) for row in curve])
    return [line for line in found if line]


def draw(curves: Sequence[Row], impairment: str, site: str) -> bytes:
    """Own and other skill by intensity, a panel for each method and way; thin lines are seeds."""
    figure = Figure(figsize=(10.5, 2.3 * len(METHODS)), layout="constrained")
    panels = figure.subplots(len(METHODS), len(WAYS), sharex=True, sharey=True, squeeze=False)
    for method, row in zip(METHODS, panels, strict=True):
        colour = method_style(method)["color"]
        mine = chosen(curves, method=method, impairment=impairment, site=site)
        levels = sorted({float(point["intensity"]) for point in mine})
        for way, axes in zip(WAYS, row, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            shown = [(heights(mine, way, True), colour, "-"), (heights(mine, way, False), colour, "--")]
            if not shown[0][0]:
                axes.text(0.5, 0.5, "a single network", ha="center", transform=axes.transAxes, color=GREY, fontsize=9)
                continue
            for lines, shade, style in (*shown, (heights(mine, RANDOM, True), GREY, ":")):
                for line in lines if shade != GREY else ():
                    axes.plot(levels, line, color=shade, linestyle=style, linewidth=0.5, alpha=0.35)
                if lines:
                    axes.plot(levels, np.mean(lines, axis=0), color=shade, linestyle=style, linewidth=2)
        row[0].set_ylabel(f"{method}\nskill")
    for way, top, bottom in zip(WAYS, panels[0], panels[-1], strict=True):
        top.set_title(way)
        bottom.set_xlabel("intensity")
    panels[0, 0].set_ylim(-0.02, 1.02)
    figure.suptitle(
        f"{impairment}, {site} the nonlinearity. Solid: the cluster's own skill, dashed: the other one, dotted: random",
        fontsize=10,
    )
    return chart_files(figure)["png"]


def fill(page: str, mark: str, content: str) -> str:
    """The page with the content between a pair of marks replaced."""
    marks = rf"(<!-- {mark} -->\n)(.*?)(<!-- end of {mark} -->)"
    return re.sub(marks, lambda found: f"{found[1]}{content}{found[3]}", page, flags=re.S)

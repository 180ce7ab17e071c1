"""What impairment did, as tables and a picture for docs/localisation.md; ``impairment.py`` fills them in."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from localised_runs import WEAK
from matplotlib.figure import Figure

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.statistics import summarise, with_interval
from oversight_gym.analysis.style import method_style
from oversight_gym.envs.drawing.palette import INK
from oversight_gym.pictures.files import chart_files

METHODS = ("routing", "no_routing", "naive", "oracle")
WAYS = ("experts", "gradient", "selectivity", "shapley")
RANDOM = "random"
"""How the control's clusters are found."""

Row = dict[str, Any]


def chosen(rows: Sequence[Row], **wanted: str) -> list[Row]:
    """The rows that have these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def over_seeds(rows: Sequence[Row], name: str, form: str = "+.3f") -> str:
    """Mean of a column over seeds, the rows of a seed averaged first, with its interval.

    Args:
        rows: of one or more clusters a seed.
        name: of the column; rows where it is empty are left out.
        form: of the numbers; without a sign they are shares, which end at 0 and 1.
    """
    by_seed: dict[str, list[float]] = {}
    for row in rows:
        if row[name] != "":
            by_seed.setdefault(row["seed"], []).append(float(row[name]))
    if not by_seed:
        return ""
    means = [float(np.mean(values)) for values in by_seed.values()]
    found = summarise(means) if form.startswith("+") else summarise(means, (0.0, 1.0))
    return with_interval(found.mean, found.low, found.high, form)


def specificity_table(rows: Sequence[Row], impairment: str, site: str) -> str:
    """Method by way: how much own and other skill fall, and the index."""
    lines = []
    for method in METHODS + WEAK:
        for way in WAYS:
            found = chosen(rows, method=method, found_by=way, impairment=impairment, site=site)
            if found:
                lines.append([method, way, over_seeds(found, "in_own_expert", ".0%"), *specificity_cells(found)])
    return markdown(("method", "clusters", "in own expert", *SPECIFICITY), lines)


SPECIFICITY = (
    "own skill falls by",
    "other skill falls by",
    "specificity index",
    "clusters that beat 95 % of random ones",
)


def specificity_cells(rows: Sequence[Row]) -> list[str]:
    """The cells under ``SPECIFICITY``."""
    ahead = [row for row in rows if row["beaten"] != "" and float(row["beaten"]) >= 0.95]
    return [*(over_seeds(rows, name) for name in ("own", "others", "index")), f"{len(ahead)} of {len(rows)}"]


def noise_table(rows: Sequence[Row]) -> str:
    """The same for every kind of noise and site, with the clusters that were found as experts or by gradient."""
    lines = []
    for impairment, site in product(("gaussian", "negative"), ("before", "after")):
        for method in METHODS:
            for way in ("experts", "gradient"):
                found = chosen(rows, method=method, found_by=way, impairment=impairment, site=site)
                if found:
                    lines.append([f"{impairment}, {site}", method, way, *specificity_cells(found)])
    return markdown(("impairment", "method", "clusters", *SPECIFICITY), lines)


def smoothness_table(rows: Sequence[Row]) -> str:
    """Method by impairment: how monotone the fall of the own skill is, and its largest step."""
    lines = []
    for impairment, site in dict.fromkeys((row["impairment"], row["site"]) for row in rows):
        for method in METHODS + WEAK:
            found = [row for row in chosen(rows, method=method, impairment=impairment, site=site) if row["monotone"]]
            falling = [row for row in found if float(row["own"]) > 0.05]
            if falling:
                cells = [over_seeds(falling, name, ".2f") for name in ("own", "monotone", "largest_step")]
                lines.append([f"{impairment}, {site}", method, f"{len(falling)} of {len(found)}", *cells])
    headings = ("impairment", "method", "clusters whose skill falls by 0.05 or more", "falls by", "monotone")
    return markdown((*headings, "largest step"), lines)


def safety_table(rows: Sequence[Row], impairment: str, site: str) -> str:
    """Method by way: at which intensity the ghost cluster's impairment makes the policy safe, and what is left.

    Policies that are safe unimpaired are left out.
    """
    lines = []
    for method in METHODS + WEAK:
        for way in WAYS:
            found = chosen(rows, method=method, found_by=way, kind="ghost", impairment=impairment, site=site)
            unsafe = [row for row in found if row["safe_intensity"] != "0.0"]
            if unsafe:
                safe = [row for row in unsafe if row["safe_intensity"] != ""]
                cells = [over_seeds(unsafe, name, ".2f") for name in ("p_unwanted", "p_unwanted_least")]
                cells += [f"{len(safe)} of {len(unsafe)}", over_seeds(safe, "safe_intensity", ".2f")]
                lines.append([method, way, over_seeds(unsafe, "return"), *cells, over_seeds(safe, "safe_return")])
    headings = ("method", "clusters", "return unimpaired", "P(ghost) unimpaired", "P(ghost) at the least")
    return markdown((*headings, "seeds made safe", "at intensity", "return left"), lines)


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
    figure = Figure(figsize=(10.5, 2.3 * len(METHODS + WEAK)), layout="constrained")
    panels = figure.subplots(len(METHODS + WEAK), len(WAYS), sharex=True, sharey=True, squeeze=False)
    for method, row in zip(METHODS + WEAK, panels, strict=True):
        colour = method_style(method.rpartition("/")[2])["color"]
        mine = chosen(curves, method=method, impairment=impairment, site=site)
        levels = sorted({float(point["intensity"]) for point in mine})
        for way, axes in zip(WAYS, row, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            own, other = (heights(mine, way, which) for which in (True, False))
            if not own:
                why = "a single network" if way == "experts" else "not tried"
                axes.text(0.5, 0.5, why, ha="center", transform=axes.transAxes, color=INK, fontsize=9)
                continue
            for lines, style in ((own, "-"), (other, "--")):
                for line in lines:
                    axes.plot(levels, line, color=colour, linestyle=style, linewidth=0.5, alpha=0.35)
                axes.plot(levels, np.mean(lines, axis=0), color=colour, linestyle=style, linewidth=2)
            control = heights(mine, RANDOM, True)
            if control:
                axes.plot(levels, np.mean(control, axis=0), color=INK, linestyle=":", linewidth=1.5)
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

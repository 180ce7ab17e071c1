"""Which legal method is best where: draws docs/phase_diagram.png and writes docs/phase_diagram.md.

    python scripts/phase_diagram.py [--workers 2] [--dry-run]

There are two maps. Both have the marginal rate of oversight along the x-axis; along the y-axis is the supervisor's
error rate, or the speed at which oversight fades with distance. The colour is the legal method with the best mean
return when nobody looks, and the shade is that return. Rows of single runs are kept in docs/results/phase.csv, so the
script can be stopped at any time, and the same command continues.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.style import method_style
from oversight_gym.envs import EnvConfig
from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.runs.config import TrainConfig

METHODS = ("routing", "naive", "filtering", "reward_model")
LEVELS = (0.01, 0.03, 0.1, 0.3)
ERRORS = (0.0, 0.05, 0.1, 0.2, 0.4)
HALVES = (None, 4.0, 2.0, 1.0, 0.5)
FIGURE = "none/return_start"
PAGE = """# Which legal method is best where

![Two maps: by rate of oversight and label error, and by rate and how oversight goes with distance](phase_diagram.png)

Mean return from the start when nobody looks over {seeds} seeds of {steps:,} steps, preset `fast`; in parentheses the
standard deviation over seeds. The best of each line is bold; the methods are those that may be used without the ground
truth. With three seeds methods that are less than a standard deviation apart cannot be told apart.

    python scripts/phase_diagram.py

{tables}"""


@dataclass(frozen=True)
class PhaseConfig:
    """Train every cell of both maps and draw them."""

    levels: tuple[float, ...] = LEVELS
    """Marginal rates of oversight."""
    seeds: int = 3
    """Number of seeds of every cell, which count from 0."""
    steps: int = 1_000_000
    """Steps of each run."""
    results: Path = Path("docs/results/phase.csv")
    """Rows of single runs."""
    out: Path = Path("docs")
    """Where the picture and the page are written."""
    how: RunsConfig = field(default_factory=RunsConfig)


@dataclass(frozen=True)
class Map:
    """One of the two maps: a setting along the rows, beside the rate of oversight.

    Attributes:
        title: the name of the setting along the rows.
        rows: a name for each row, and the settings that make it.
    """

    title: str
    rows: dict[str, dict[str, Any]]


def correlation_with_distance(half: float | None, level: float) -> float:
    """The correlation, over a terminal picked at random, between its distance from the start and whether it is
    watched."""
    if half is None:
        return 0.0
    config = EnvConfig(oversight_process=f"by_distance:half={half:g}", oversight_probability=level)
    agent, terminals = config.layouts.everything()
    distance = config.grid.distance[agent[:, None], terminals].ravel().astype(float)
    chance = (config.process.patterns(config, agent, terminals) @ pattern_flags(2)).ravel()
    covariance = (distance * chance).mean() - distance.mean() * chance.mean()
    return float(covariance / (distance.std() * np.sqrt(chance.mean() * (1 - chance.mean()))))


def maps() -> tuple[Map, Map]:
    """Both maps."""
    errors = {f"{error:.0%}": {"supervisor": f"errs:every={error:g}"} if error else {} for error in ERRORS}
    fading = {
        f"{'never' if half is None else f'every {half:g}'} ({correlation_with_distance(half, 0.1):+.2f})": {}
        if half is None
        else {"oversight_process": f"by_distance:half={half:g}"}
        for half in HALVES
    }
    return (
        Map("labels that are wrong", errors),
        Map("steps that halve oversight\n(its correlation with distance at 10 %)", fading),
    )


def runs_of(config: PhaseConfig, shown: Sequence[Map]) -> list[TrainConfig]:
    """Every run of every cell, seeds first; what both maps share comes once."""
    every = [
        TrainConfig.of(
            method=method, oversight=level, seed=seed, total_timesteps=config.steps, evaluations=1, **settings
        )
        for seed in range(config.seeds)
        for each in shown
        for settings in each.rows.values()
        for level in config.levels
        for method in METHODS
    ]
    return list(dict.fromkeys(every))


Cells = dict[tuple[str, float], dict[str, list[float]]]
"""Returns over seeds by method, for each row and rate."""


def cells_of(each: Map, levels: Sequence[float], results: Sequence[Result]) -> Cells:
    """The cells of a map."""
    cells: Cells = {}
    for name, settings in each.rows.items():
        plain = TrainConfig.of(**settings).hyper
        own = (plain.supervisor, plain.oversight_process)
        for level in levels:
            found: dict[str, list[float]] = {method: [] for method in METHODS}
            for result in results:
                hyper = result.config.hyper
                if (hyper.supervisor, hyper.oversight_process) == own and result.config.oversight == level:
                    found[result.config.method].append(result.figure(FIGURE))
            cells[name, level] = found
    return cells


def best(found: dict[str, list[float]]) -> str:
    """The method with the highest mean."""
    return max(found, key=lambda method: mean(found[method]))


def draw(axes: Axes, each: Map, levels: Sequence[float], cells: Cells) -> None:
    """One map: colour by the best method, the paler the nearer its return is to 0."""
    for row, name in enumerate(each.rows):
        for column, level in enumerate(levels):
            found = cells[name, level]
            winner = best(found)
            value = mean(found[winner])
            colour = np.array(to_rgb(method_style(winner)["color"]))
            shade = 0.15 + 0.85 * min(max(value, 0.0), 1.0)
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=1 - shade * (1 - colour), edgecolor="white", lw=2))
            text = {"ha": "center", "va": "center", "fontsize": 9, "color": "white" if shade > 0.6 else "#2d3440"}
            axes.text(column + 0.5, row + 0.5, f"{value:+.2f}", **text)  # type: ignore[arg-type]
    axes.set(xlim=(0, len(levels)), ylim=(0, len(each.rows)), xlabel="terminals under oversight", ylabel=each.title)
    axes.set_xticks(np.arange(len(levels)) + 0.5, [f"{level:.0%}" for level in levels])
    axes.set_yticks(np.arange(len(each.rows)) + 0.5, list(each.rows))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def table(each: Map, levels: Sequence[float], cells: Cells) -> str:
    """Every value of a map."""
    lines = []
    for name in each.rows:
        for level in levels:
            found = cells[name, level]
            spread = {method: f" ({stdev(seeds):.3f})" if len(seeds) > 1 else "" for method, seeds in found.items()}
            shown = {method: f"{mean(seeds):+.3f}{spread[method]}" for method, seeds in found.items()}
            shown[best(found)] = f"**{shown[best(found)]}**"
            lines.append([name, f"{level:.0%}", *shown.values()])
    return markdown([" ".join(each.title.split()), "oversight", *(f"`{method}`" for method in METHODS)], lines)


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[PhaseConfig])
    shown = maps()
    results = complete(config.results, runs_of(config, shown), config.how, contrasts=False)
    figure = Figure(figsize=(11, 4.8), dpi=150, layout="constrained")
    tables = []
    for axes, each in zip(figure.subplots(1, 2), shown, strict=True):
        cells = cells_of(each, config.levels, results)
        draw(axes, each, config.levels, cells)
        tables.append(table(each, config.levels, cells))
    legend = [Patch(color=method_style(method)["color"], label=method) for method in METHODS]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(METHODS), frameon=False)
    config.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(config.out / "phase_diagram.png")
    page = PAGE.format(seeds=config.seeds, steps=config.steps, tables="\n".join(tables))
    (config.out / "phase_diagram.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()

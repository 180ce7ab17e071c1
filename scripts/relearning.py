"""How many gradient steps does localisation buy? Fills the section Relearn of docs/localisation.md.

    python scripts/relearning.py [--runs runs/localisation] [--seeds 5]

Runs that are missing below --runs are trained. Stop it when you like, the same command goes on with what is missing;
with --no-attack table and picture are made of the rows alone. --choose-rate tries learning rates of the attacker on
other seeds instead, and prints what they give.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import tyro
from localised_runs import PAGE, WEAK, Rows, number, trained_run
from marked import fill
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from oversight_gym.analysis.markdown import markdown
from oversight_gym.envs.drawing.palette import INK, MARKERS, SERIES
from oversight_gym.files import write_whole
from oversight_gym.localisation.relearning import Attack, Curve, relearn
from oversight_gym.localisation.starts import STARTS, Victim, starts_of
from oversight_gym.pictures.files import chart_files

METHODS = ("routing", "no_routing", "naive", "filtering", "oracle", *WEAK)
COMPARED = (
    (("routing", "ablated"), ("no_routing", "ablated")),
    (("routing", "ablated"), ("routing", "distilled")),
    (("routing", "ablated"), ("naive", "as-trained")),
    (("routing", "ablated"), ("filtering", "as-trained")),
    ((WEAK[0], "ablated"), (WEAK[1], "ablated")),
    ((WEAK[0], "ablated"), (WEAK[0], "distilled")),
)
"""Pairs of a method and a start, whose difference is told seed by seed."""
LEVELS = (0.5, 0.8)
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
ATTACK = Attack(steps=96, evaluations=10)
"""As the default, but shorter and judged less often."""
CHOOSING = 20
"""The first seed of those that the learning rate is chosen on; the reported ones begin with 0."""


@dataclass(frozen=True)
class RelearningConfig:
    """Attack every start of every run, and write rows, table and picture."""

    runs: Path = Path("runs/localisation")
    """Folder with METHOD/seed=S, where what is missing is trained."""
    seeds: int = 5
    """Seeds 0 to this minus one."""
    rows: Path = Path("docs/results/relearning.csv")
    """One row per run, start and judged step."""
    page: Path = PAGE
    """The page; the picture lies beside it."""
    methods: tuple[str, ...] = METHODS
    """What is attacked."""
    starts: tuple[str, ...] = tuple(STARTS)
    """What is attacked of each run."""
    attack: bool = True
    """Attack what has no rows yet."""
    choose_rate: bool = False
    """Try learning rates on other seeds, print what they give, and stop."""


def attack_of(seed: int) -> Attack:
    return replace(ATTACK, seed=seed)


def curve_rows(curve: Curve, **which: Any) -> list[dict[str, Any]]:
    judged = zip(curve.steps, curve.unwanted, curve.returns, strict=True)
    return [{**which, "step": s, "p_unwanted": round(p, 6), "return_start": round(r, 6)} for s, p, r in judged]


def curve_of(rows: list[dict[str, Any]]) -> Curve:
    columns = ([float(row[name]) for row in rows] for name in ("p_unwanted", "return_start"))
    unwanted, returns = map(tuple, columns)
    return Curve(tuple(int(row["step"]) for row in rows), unwanted, returns)


def settings() -> str:
    """What the rows were made with, in short: rows of another attack are made anew."""
    return f"{ATTACK.steps}x{ATTACK.num_envs}x{ATTACK.n_steps}@{ATTACK.learning_rate:g}/{ATTACK.evaluations}"


def attack_all(config: RelearningConfig, rows: Rows) -> None:
    for seed in range(config.seeds):
        for method in config.methods:
            victim = None
            for start in config.starts:
                # A fresh network is the same for every method of a seed.
                if start == "fresh" and method != METHODS[0]:
                    continue
                which = {"method": method, "seed": seed, "start": start, "attack": settings()}
                if rows.group(**which):
                    continue
                victim = victim or Victim(trained_run(config.runs, method, seed), seed)
                if start not in starts_of(victim):
                    continue
                curve = relearn(STARTS[start].make(victim), victim.env, attack_of(seed))
                rows.store(curve_rows(curve, **which))
                print(f"{method} seed {seed} {start}: {curve.unwanted[0]:.3f} to {curve.unwanted[-1]:.3f}", flush=True)


def choose_rate(config: RelearningConfig) -> None:
    """The mean probability of an unwanted end under each learning rate, on seeds that are not reported."""
    for method in ("routing", "naive"):
        victim = Victim(trained_run(config.runs, method, CHOOSING), CHOOSING)
        for start in ("ablated", "as-trained", "fresh"):
            if start not in starts_of(victim) or (start == "fresh" and method == "naive"):
                continue
            for rate in RATES:
                attack = replace(ATTACK, seed=CHOOSING, learning_rate=rate)
                curve = relearn(STARTS[start].make(victim), victim.env, attack)
                reached = ", ".join(f"{level:g}: {curve.steps_to(level)}" for level in LEVELS)
                print(f"{method} {start} at {rate:g}: mean {curve.area:.3f}; steps to {reached}", flush=True)


Curves = dict[tuple[str, str], list[Curve]]
"""By method and start, one curve per seed."""


def curves_of(rows: Rows) -> Curves:
    found: Curves = {}
    for method in METHODS:
        for start in STARTS:
            own = rows.group(method=method, start=start, attack=settings())
            seeds = sorted({int(row["seed"]) for row in own})
            if seeds:
                found[method, start] = [curve_of([row for row in own if int(row["seed"]) == seed]) for seed in seeds]
    return found


def steps_cell(curves: list[Curve], level: float) -> str:
    """The mean of the steps to a level; those that never reach it count with all their steps, and are counted."""
    steps = [curve.steps_to(level) for curve in curves]
    never = sum(step is None for step in steps)
    known = [curve.steps[-1] if step is None else step for step, curve in zip(steps, curves, strict=True)]
    if never == len(steps):
        return f"over {curves[0].steps[-1]}"
    return number(known, ".0f", (0, curves[0].steps[-1])) + (f", {never} of {len(steps)} never" if never else "")


def table(curves: Curves) -> str:
    fresh, lines = curves[METHODS[0], "fresh"], []
    for (method, start), own in curves.items():
        ahead = [a.area - b.area for a, b in zip(own, fresh, strict=False)]
        lines.append(
            [
                "any" if start == "fresh" else f"`{method}`",
                start,
                str(len(own)),
                f"{mean(curve.returns[0] for curve in own):+.2f}",
                f"{mean(curve.unwanted[0] for curve in own):.2f}",
                *(steps_cell(own, level) for level in LEVELS),
                number([curve.area for curve in own], ".2f", (0, 1)),
                "" if start == "fresh" else number(ahead, "+.2f", (-1, 1)),
            ]
        )
    steps = (f"steps to {level:g}" for level in LEVELS)
    headings = ("method", "attacked", "seeds", "return before", "P(ghost) before", *steps, "mean P(ghost)", "to fresh")
    return markdown(headings, lines)


def comparisons(curves: Curves) -> str:
    """The difference of two attacks, seed by seed."""
    lines = []
    for one, other in COMPARED:
        pairs = list(zip(curves.get(one, []), curves.get(other, []), strict=False))
        if pairs:
            names = (f"`{method}`, {start}" for method, start in (one, other))
            less = [a.area - b.area for a, b in pairs]
            lines.append([*names, str(len(pairs)), number(less, "+.2f", (-1, 1))])
    return markdown(("attacked", "less", "seeds", "mean P(ghost)"), lines)


def foretold(curves: Curves) -> str:
    """How far P(ghost) before the attack foretells the mean during it, where it does not begin with many ghosts."""
    found = [
        curve for (_, start), own in curves.items() if start != "fresh" for curve in own if curve.unwanted[0] < 0.3
    ]
    rank = spearmanr([curve.unwanted[0] for curve in found], [curve.area for curve in found]).statistic
    return (
        f"The rank correlation (Spearman) of P(ghost) before the attack and the mean during it is {rank:.2f}, over\n"
        f"the {len(found)} attacks that begin below 0.3, fresh networks left out."
    )


def draw(curves: Curves) -> bytes:
    """A picture for each method: P(ghost) by gradient steps; thin lines are seeds."""
    methods = [method for method in METHODS if any(key[0] == method for key in curves)]
    lines = -(-len(methods) // 4)
    figure = Figure(figsize=(11, 3 * lines + 0.6), layout="constrained")
    panels = figure.subplots(lines, 4, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(methods) :]:
        axes.set_axis_off()
    for axes in panels[-2, len(methods) % 4 or 4 :]:
        axes.tick_params(labelbottom=True)
    for method, axes in zip(methods, panels.flat, strict=False):
        for index, start in enumerate(STARTS):
            own = curves.get((METHODS[0] if start == "fresh" else method, start), [])
            if not own:
                continue
            look: dict[str, Any] = {"color": INK if start == "fresh" else SERIES[index]}
            for curve in own:
                axes.plot(curve.steps, curve.unwanted, linewidth=0.5, alpha=0.4, **look)
            middle = np.mean([curve.unwanted for curve in own], axis=0)
            dashed = "--" if start == "fresh" else "-"
            axes.plot(own[0].steps, middle, dashed, marker=MARKERS[index], markersize=4, label=start, **look)
        axes.set(title=method, xlabel="gradient steps", ylim=(0, 1))
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(0, ATTACK.steps)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
    for row in panels:
        row[0].set_ylabel("P(ghost), nobody looks")
    handles = dict(
        pair for axes in figure.axes for pair in zip(*reversed(axes.get_legend_handles_labels()), strict=True)
    )
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6, frameon=False)
    return chart_files(figure)["png"]


def main() -> None:
    config = tyro.cli(RelearningConfig)
    torch.set_num_threads(1)
    if config.choose_rate:
        choose_rate(config)
        return
    rows = Rows(config.rows, ("method", "seed", "start", "attack"))
    if config.attack:
        attack_all(config, rows)
    curves = curves_of(rows)
    write_whole(config.page.with_name("relearning.png"), draw(curves))
    fill(
        config.page, {"relearning": table(curves), "relearning compared": f"{comparisons(curves)}\n{foretold(curves)}"}
    )
    print(table(curves))


if __name__ == "__main__":
    main()

"""Which method holds in which world: writes docs/worlds_table.md.

    python scripts/worlds_table.py [--workers 2] [--worlds Button Ask] [--dry-run]

Every named world at a marginal rate of 10 %, five seeds, preset fast. Rows of single runs are kept in
docs/results/worlds/, so the script can be stopped at any time, and the same command continues. The default world's
rows are those of the table of methods.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import tyro
from stored_runs import RunsConfig, complete, returns

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result, provenance
from oversight_gym.analysis.statistics import ANYTHING, summarise, with_interval
from oversight_gym.envs.worlds import WORLDS
from oversight_gym.evaluation.figures import references
from oversight_gym.runs.config import TrainConfig

METHODS = ("routing", "no_routing", "naive", "masked_oversight", "filtering", "reward_model", "oracle")
CEILINGS = ("optimal", "ideal steered", "exploiting")
DEFAULT = "Paper"
"""The world that all other tables are about."""
PAGE = """# Every world, the core methods

Preset `fast`, {steps:,} steps, {seeds} seeds, a marginal rate of {level:.0%}; each method at the gate it is used with.
Means over seeds with their 95 % intervals; the first three columns are [reference policies](worlds.md), which are
exact. The oracle trains on the ground truth. Where labels have a price the returns include it. {made}

    python scripts/worlds_table.py

## Return from the start when nobody looks

{returns}
## Probability of the least valuable kind when nobody looks

{unwanted}
## Probability that a terminal under oversight would not be seen when the episode ends

In the worlds whose monitor the policy can move to hide something, with oversight at its marginal rate.

{off}
## Labels used in training

The labels that a run consumed, in thousands. An agent that chooses where it goes, or may ask, also chooses
how many it gets.

{labels}
## Routing less its rivals

Return from the start when nobody looks, seed by seed, each at its gate.

{gaps}"""
RIVALS = METHODS[1:-1]
"""The methods that routing is compared with."""


@dataclass(frozen=True)
class WorldsTableConfig:
    """Train the core methods in every world and write the tables."""

    worlds: tuple[str, ...] = ()
    """Only these worlds; default: all of them."""
    seeds: int = 5
    """Seeds 0 to this minus one."""
    level: float = 0.1
    """Marginal rate of oversight."""
    steps: int | None = None
    """Steps of each run; default: the preset's."""
    results: Path = Path("docs/results/worlds")
    """Folder for the rows of single runs, a file for each world."""
    default_world: Path = Path("docs/results/methods.csv")
    """Rows of single runs in the default world, which the table of methods has, too."""
    out: Path = Path("docs/worlds_table.md")
    """The tables."""
    how: RunsConfig = field(default_factory=RunsConfig)


def wanted(config: WorldsTableConfig, world: str) -> list[TrainConfig]:
    """The runs of one world, seeds first, so that what is broken off is even."""
    changed: dict[str, Any] = {} if config.steps is None else {"total_timesteps": config.steps}
    if world != DEFAULT:
        changed |= {"world": world, "evaluations": 2}
    return [
        TrainConfig.of(method=method, oversight=config.level, seed=seed, **changed)
        for seed in range(config.seeds)
        for method in METHODS
    ]


def line(world: str, results: Sequence[Result], figure: str) -> list[str]:
    """One world's line of a table of returns or of probabilities: ceilings, then methods."""
    env, gamma = results[0].config.env, results[0].config.hyper.gamma
    pattern, key = ("none", figure.removeprefix("none/")) if figure.startswith("none/") else (None, figure)
    made = references(env, gamma=gamma, regret=False)
    form, within = ("+.3f", ANYTHING) if key.startswith("return") else (".3f", (0.0, 1.0))
    cells = [f"{made[name].figures(name, pattern)[key]:{form}}" for name in CEILINGS]
    for method in METHODS:
        found = [result.figure(figure) for result in results if result.config.method == method]
        known = summarise(found, within) if found else None
        cells.append(with_interval(known.mean, known.low, known.high, form) if known else "")
    return [world, *cells]


def labels(world: str, results: Sequence[Result]) -> list[str]:
    """One world's line of labels used, in thousands."""
    used = ([result.labels_used for result in results if result.config.method == method] for method in METHODS)
    return [world, *(f"{mean(found) / 1000:,.0f}" if found else "" for found in used)]


def gaps(world: str, results: Sequence[Result]) -> list[str]:
    """One world's line of differences."""
    mine, *others = (returns(results, method, results[0].config.oversight, False) for method in ("routing", *RIVALS))
    paired = ([mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())] for other in others)
    return [world, *(str(summarise(values)) if values else "" for values in paired)]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[WorldsTableConfig])
    found: dict[str, list[Result]] = {}
    asked = 0
    for world in config.worlds or WORLDS:
        rows = config.default_world if world == DEFAULT else config.results / f"{world}.csv"
        runs = wanted(config, world)
        try:
            results = complete(rows, runs, config.how, contrasts=False)
        except SystemExit:
            if not config.how.dry_run:
                raise
            continue
        asked += len(runs)
        if results:
            found[world] = results
    if config.how.dry_run:
        return
    every = [result for results in found.values() for result in results]
    if not every:
        sys.exit("no run of these worlds is stored; leave out --no-train to train them.")
    made = provenance(every)
    if len(every) < asked:
        made += f" {len(every)} of {asked} runs are done so far."
    heading = ("world", *CEILINGS, *(f"`{method}`" for method in METHODS))
    monitored = {world: rows for world, rows in found.items() if rows[0].config.env.monitor != "none"}
    switched = {world: rows for world, rows in monitored.items() if any(row.figure("p_off") for row in rows)}
    page = PAGE.format(
        steps=every[0].config.hyper.total_timesteps,
        seeds=config.seeds,
        level=config.level,
        made=made,
        returns=markdown(heading, (line(*item, "none/return_start") for item in found.items())),
        unwanted=markdown(heading, (line(*item, f"none/{item[1][0].p_unwanted}") for item in found.items())),
        off=markdown(heading, (line(*item, "p_off") for item in switched.items())),
        labels=markdown(("world", *heading[1 + len(CEILINGS) :]), (labels(*item) for item in found.items())),
        gaps=markdown(("world", *(f"`{rival}`" for rival in RIVALS)), (gaps(*item) for item in found.items())),
    )
    config.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()

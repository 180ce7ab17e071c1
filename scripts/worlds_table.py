"""Which method holds in which world: writes docs/worlds_table.md.

    python scripts/worlds_table.py [--workers 2] [--worlds Button Ask] [--dry-run]

Every named world at a marginal rate of 10 %, five seeds, preset fast. Rows of single runs are kept in
docs/results/worlds/, so the script can be stopped at any time, and the same command continues.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import tyro
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.statistics import summarise
from oversight_gym.envs.worlds import WORLDS
from oversight_gym.evaluation.figures import references
from oversight_gym.runs.config import TrainConfig

METHODS = ("routing", "no_routing", "naive", "masked_oversight", "filtering", "reward_model", "oracle")
CEILINGS = ("optimal", "ideal steered", "exploiting")
PAGE = """# Every world, the core methods

Preset `fast`, {steps:,} steps, {seeds} seeds, a marginal rate of {level:.0%}; each method at the gate it is used with.
The oracle trains on the ground truth. In worlds with a monitor the returns include what was paid.

    python scripts/worlds_table.py

## Return from the start when nobody looks, with its 95 % interval

{returns}
## Probability of the least valuable kind when nobody looks

{unwanted}"""


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
    out: Path = Path("docs/worlds_table.md")
    """The tables."""
    how: RunsConfig = field(default_factory=RunsConfig)


def wanted(config: WorldsTableConfig, world: str) -> list[TrainConfig]:
    """The runs of one world, seeds first, so that what is broken off is even."""
    changed = {} if config.steps is None else {"total_timesteps": config.steps}
    return [
        TrainConfig.of(world=world, method=method, oversight=config.level, seed=seed, evaluations=2, **changed)
        for seed in range(config.seeds)
        for method in METHODS
    ]


def line(world: str, results: Sequence[Result], figure: str) -> list[str]:
    """One world's line of a table: ceilings, then methods."""
    env, gamma = results[0].config.env, results[0].config.hyper.gamma
    key = figure.removeprefix("none/")
    cells = [f"{references(env, gamma=gamma, regret=False)[name].figures(name, 'none')[key]:+.3f}" for name in CEILINGS]
    for method in METHODS:
        found = [result.figure(figure) for result in results if result.config.method == method]
        cells.append(str(summarise(found)) if key.startswith("return") else f"{mean(found):.3f}")
    return [world, *cells]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[WorldsTableConfig])
    found: dict[str, list[Result]] = {}
    for world in config.worlds or WORLDS:
        try:
            rows = config.results / f"{world}.csv"
            found[world] = complete(rows, wanted(config, world), config.how, contrasts=False)
        except SystemExit:
            if not config.how.dry_run:
                raise
    if config.how.dry_run:
        return
    heading = ("world", *CEILINGS, *(f"`{method}`" for method in METHODS))
    returns = markdown(heading, (line(world, rows, "none/return_start") for world, rows in found.items()))
    ends = ((world, rows, f"none/{rows[0].p_unwanted}") for world, rows in found.items())
    unwanted = markdown(heading, (line(*end) for end in ends))
    steps = next(iter(found.values()))[0].config.hyper.total_timesteps
    page = PAGE.format(steps=steps, seeds=config.seeds, level=config.level, returns=returns, unwanted=unwanted)
    config.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()

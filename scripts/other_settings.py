"""Settings that one would try next, on the seeds that are reported, beside ``fast``: fills a table of docs/tuning.md.

    python scripts/other_settings.py [--workers 2]

Rows of single runs are kept in docs/results/other_settings.csv: stop it when you like, the same command goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from marked import fill
from methods_table import returns
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.statistics import summarise
from oversight_gym.runs.config import TrainConfig

SMALL_STEPS = {"learning_rate": 0.00046, "ent_coef": 0.038, "gate_coef": 0.37, "batch_size": 1024}
LONGER = {"total_timesteps": 5_000_000}
TRIED = (
    ("routing", 0.01, "smaller steps", SMALL_STEPS),
    ("routing", 0.1, "smaller steps", SMALL_STEPS),
    ("reward_model_masked", 0.01, "5 M steps", LONGER),
)
HEADINGS = ("method", "oversight", "changed", "gate", "seeds", "return, nobody looks", "with `fast`", "difference")


@dataclass(frozen=True)
class OtherConfig:
    """Train the runs and fill the table."""

    results: Path = Path("docs/results/other_settings.csv")
    """Rows of single runs."""
    fast: Path = Path("docs/results/methods.csv")
    """Rows of the same methods with ``fast``."""
    out: Path = Path("docs/tuning.md")
    """The page with the table."""
    seeds: int = 10
    """Seeds 0 to this minus one."""
    how: RunsConfig = field(default_factory=RunsConfig)


def lines(
    method: str, oversight: float, changed: str, ours: Sequence[Result], fast: Sequence[Result]
) -> list[list[str]]:
    """A line for the plain gate, and one for the chosen gate where there is one; differences are paired by seed."""
    found = []
    for gate in ("plain", "contrasted"):
        mine, theirs = (returns(results, method, oversight, gate == "contrasted") for results in (ours, fast))
        seeds = sorted(mine.keys() & theirs.keys())
        values = ([mine[seed] for seed in seeds], [theirs[seed] for seed in seeds])
        gaps = [one - other for one, other in zip(*values, strict=True)]
        cells = [str(summarise(each)) for each in (*values, gaps)]
        found.append([f"`{method}`", f"{oversight:.0%}", changed, gate, str(len(seeds)), *cells])
    return found if len(ours[0].config.experts) > 1 else found[:1]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[OtherConfig])
    table = []
    for method, oversight, changed, settings in TRIED:
        wanted = [TrainConfig.of(method=method, oversight=oversight, seed=seed) for seed in range(config.seeds)]
        other = [TrainConfig.of(method=each.method, oversight=oversight, seed=each.seed, **settings) for each in wanted]
        ours, fast = complete(config.results, other, config.how), complete(config.fast, wanted, config.how)
        if ours and fast:
            table += lines(method, oversight, changed, ours, fast)
    fill(config.out, {"other": markdown(HEADINGS, table)})


if __name__ == "__main__":
    main()

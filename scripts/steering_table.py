"""Does steering work? Routing and its control at every gate, ten seeds, two presets; writes docs/steering_table.md.

    python scripts/steering_table.py [--workers 2] [--dry-run]

Fills the table of README.md, too. Rows of single runs are kept in docs/results/methods.csv, where the table of all
methods has its own: stop it when you like, the same command goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from marked import fill
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result, provenance
from oversight_gym.analysis.statistics import summarise
from oversight_gym.runs.config import TrainConfig

ASKED = (
    ("routing", "fast"),
    ("no_routing", "fast"),
    ("naive", "fast"),
    ("routing", "weak-gate"),
    ("no_routing", "weak-gate"),
)
"""Methods and presets."""
GATES = ("free", "diamond", "ghost")
FIGURE = "return_stepwise"
HEADINGS = ("method", "preset", "seeds", *(f"gate {gate}" for gate in GATES))
PAGE = """# Steering at {level:.0%} oversight

Exact stepwise return by the ground truth, oversight mixed at the training probability, with the gate free and forced to
each expert; the mean over seeds with its 95 % interval. `no_routing` is the control: the same run, gate loss included,
with the gradients not routed. `naive` has a single expert. `fast` is the setting that a search finds best;
the gate loss of `weak-gate` is too weak to make experts of a mixture by itself ([tuning](tuning.md)).

{provenance}

    python scripts/steering_table.py

{means}
## Each seed

{seeds}"""


@dataclass(frozen=True)
class TableConfig:
    """Train every method at every seed and write the tables."""

    oversight: float = 0.1
    """Oversight probability."""
    seeds: int = 10
    """Seeds 0 to this minus one."""
    results: Path = Path("docs/results/methods.csv")
    """Rows of single runs."""
    out: Path = Path("docs/steering_table.md")
    """The page."""
    readme: Path = Path("README.md")
    """The page with the short table."""
    how: RunsConfig = field(default_factory=RunsConfig)


def at_gate(result: Result, gate: str) -> float | None:
    """The stepwise return at a gate; None where the policy has no such expert."""
    return result.counted.get(f"{gate}/{FIGURE}")


def mean_line(method: str, preset: str, results: Sequence[Result]) -> list[str]:
    """The means over seeds at every gate."""
    cells = []
    for gate in GATES:
        found = [value for result in results if (value := at_gate(result, gate)) is not None]
        cells.append(str(summarise(found)) if found else "")
    return [f"`{method}`", f"`{preset}`", str(len(results)), *cells]


def seed_line(result: Result) -> list[str]:
    """One run at every gate."""
    values = (at_gate(result, gate) for gate in GATES)
    cells = ("" if value is None else f"{value:+.3f}" for value in values)
    return [f"`{result.config.method}`", f"`{result.config.preset}`", str(result.config.seed), *cells]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[TableConfig])
    wanted = [
        TrainConfig.of(method=method, preset=preset, oversight=config.oversight, seed=seed)
        for seed in range(config.seeds)
        for method, preset in ASKED
    ]
    results = complete(config.results, wanted, config.how)
    groups = {
        pair: sorted(
            (result for result in results if (result.config.method, result.config.preset) == pair),
            key=lambda result: result.config.seed,
        )
        for pair in ASKED
    }
    means = markdown(HEADINGS, (mean_line(*pair, found) for pair, found in groups.items() if found))
    seeds = markdown(
        ("method", "preset", "seed", *HEADINGS[3:]),
        (seed_line(result) for found in groups.values() for result in found),
    )
    config.out.write_text(PAGE.format(level=config.oversight, provenance=provenance(results), means=means, seeds=seeds))
    fill(config.readme, {"steering": means})
    print(means)


if __name__ == "__main__":
    main()

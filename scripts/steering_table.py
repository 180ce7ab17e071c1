"""Does steering work? Routing, its control and the naive baseline over five seeds; writes docs/steering_table.md.

    python scripts/steering_table.py [--oversight 0.1] [--seeds 5] [--workers 2] [--runs runs/steering]

Finished runs are kept and reused.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import tyro

from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.runs.folder import load_run
from oversight_gym.sweeps.plan import SweepConfig, runs_of

METHODS = ("routing", "no_routing", "naive")


@dataclass(frozen=True)
class TableConfig:
    """Train every method at every seed and write the table."""

    oversight: float = 0.1
    """Oversight probability."""
    preset: str = "weak-gate"
    """Hyperparameters of the runs."""
    seeds: int = 5
    """Number of seeds, which count from 0."""
    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/steering")
    """Where run folders are written."""
    out: Path = Path("docs/steering_table.md")
    """The table."""


def cell(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def main() -> None:
    config = tyro.cli(TableConfig)
    asked = SweepConfig(
        out=config.runs,
        methods=METHODS,
        oversight=(config.oversight,),
        seeds=config.seeds,
        preset=config.preset,
        workers=config.workers,
    )
    if run_sweep(asked):
        sys.exit(1)
    found = defaultdict(list)
    for run in map(load_run, (run.folder for run in runs_of(asked).values())):
        gates = run.config.gates
        evaluation = evaluate(run.policy, run.config.env, gates, gamma=run.config.hyper.gamma)
        returns = {gate: evaluation.figures(gate)["return_stepwise"] for gate in gates}
        found[run.config.method].append(returns | {"seconds": run.record["seconds"]})
    lines = [
        "| method | seed | gate free | gate diamond | gate ghost | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        own = found[method]
        for seed, result in enumerate(own):
            gates = (cell(result.get(gate)) for gate in ("free", "diamond", "ghost"))
            lines.append(f"| {method} | {seed} | {' | '.join(gates)} | {result['seconds']:.0f} |")
        means = (
            f"**{mean(result[gate] for result in own):+.3f}**" if gate in own[0] else ""
            for gate in ("free", "diamond", "ghost")
        )
        seconds = mean(result["seconds"] for result in own)
        lines.append(f"| **{method}** | **mean** | {' | '.join(means)} | {seconds:.0f} |")
    table = "\n".join(lines)
    print(table)
    config.out.write_text(
        f"# Steering at {config.oversight:.0%} oversight\n\n"
        f"Exact stepwise ground-truth return of the policy trained with the preset `{config.preset}`, oversight\n"
        "mixed at the training probability, with the gate free and forced to each expert. `no_routing` is the\n"
        "control: the same run, gate loss included, with the gradients not routed. `naive` has a single expert.\n"
        "Seconds are the whole run's, evaluations included, on one core with another run on the other.\n\n"
        f"    python scripts/steering_table.py --oversight {config.oversight:g} --seeds {config.seeds}\n\n{table}\n"
    )


if __name__ == "__main__":
    main()

"""The paper's headline figure: return by oversight level for routing, naive training and data filtering.

    python scripts/reproduce_paper.py [--quick] [--workers 2] [--preset fast]

Eleven levels, three methods, five seeds: 165 runs; ``--quick``: three levels, two seeds. Stop it when you like, the
same command goes on. Tables and figures go to ``compare/`` in the sweep's folder; the paper's values beside ours were
read off its figure by eye (about +-0.01).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from oversight_gym.cli.comparing import CompareOptions, compare
from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.sweeps.plan import SweepConfig

METHODS = ("routing", "naive", "filtering")
LEVELS = (0.001, 0.003, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.8, 1.0)
QUICK_LEVELS = (0.01, 0.1, 0.4)


@dataclass(frozen=True)
class ReproduceConfig:
    """Train the runs of the paper's headline figure and draw it."""

    quick: bool = False
    """Three levels and two seeds, in less than ten minutes on two cores."""
    preset: str = "fast"
    """Hyperparameters of the runs; paper-reinforce takes hours per run."""
    workers: int = 2
    """Runs side by side."""
    out: Path | None = None
    """Folder of the sweep; default: runs/paper, or runs/paper-quick."""


def main() -> None:
    config = tyro.cli(ReproduceConfig)
    out = config.out or Path("runs", "paper-quick" if config.quick else "paper")
    levels, seeds = (QUICK_LEVELS, 2) if config.quick else (LEVELS, 5)
    asked = SweepConfig(
        out=out, methods=METHODS, oversight=levels, seeds=seeds, preset=config.preset, workers=config.workers
    )
    failed = run_sweep(asked)
    compare(CompareOptions((out,), baseline="naive", paper=Path("gradient-routing")))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

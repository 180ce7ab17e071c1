"""The difference between the paper's metric and the truth, by method and oversight; writes docs/flattery_table.md.

    python scripts/flattery_table.py [--workers 2] [--runs runs/flattery]

Finished runs are kept and reused. The table names the seeds; the differences have a mean and a range.
"""

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import tyro

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import provenance
from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.paper_metric import mean_paper_metric
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.sweeps.plan import SweepConfig, runs_of

METHODS = ("routing", "naive", "filtering", "oracle")
LEVELS = (0.03, 0.1, 0.3, 0.8)
HEADINGS = (
    "method",
    "oversight",
    "paper's metric",
    "exact, mixed",
    "exact, nobody looks",
    "mixing adds",
    "defects add",
)
PAGE = """# How much the paper's metric flatters

Stepwise ground-truth return of each method as it is used (routing: forced to the diamond expert), preset `{preset}`,
the mean over seeds {seeds}. What counts for scalable oversight is what the agent does when nobody looks. The paper's
metric (mean of 20 samples) departs from it twice: it draws oversight at the training probability (*mixing adds*), and
its stale observations and cut windows change the figure itself (*defects add*). Both differences are given with the
range over seeds. Formulas: [evaluation.md](evaluation.md).

{provenance}

    python scripts/flattery_table.py

{table}
"""


@dataclass(frozen=True)
class FlatteryConfig:
    """Train four methods at four oversight levels and write the table."""

    preset: str = "fast"
    """Hyperparameters of the runs."""
    seeds: tuple[int, ...] = (3, 4, 5)
    """Seeds of the runs."""
    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/flattery")
    """Where run folders are written."""
    out: Path = Path("docs/flattery_table.md")
    """The table."""


def judge(run: Run) -> tuple[float, float, float]:
    """The paper's metric, the exact stepwise return mixed at the training probability, and unwatched."""
    gate, gamma = run.config.gate, run.config.hyper.gamma
    found = evaluate(run.policy, run.config.env, (gate,), gamma=gamma)
    paper = mean_paper_metric(run.policy, run.config.env, gate, gamma, samples=20)
    return paper, found.figures(gate)["return_stepwise"], found.figures(gate, "none")["return_stepwise"]


def line(runs: list[Run]) -> list[str]:
    """One line of the table, from the runs of one method and level."""
    judged = np.array([judge(run) for run in runs])
    (paper, mixed, none), run = judged.T, runs[0]
    method = run.config.method
    marked = f"`{method}` (trained on the ground truth)" if run.config.method_row.uses_hidden else f"`{method}`"
    means = (f"{figures.mean():+.3f}" for figures in judged.T)
    gaps = (f"{gap.mean():+.3f} ({gap.min():+.3f} to {gap.max():+.3f})" for gap in (mixed - none, paper - mixed))
    return [marked, f"{run.config.oversight:.0%}", *means, *gaps]


def main() -> None:
    config = tyro.cli(FlatteryConfig)
    asked = SweepConfig(
        out=config.runs,
        methods=METHODS,
        oversight=LEVELS,
        seed=config.seeds,
        preset=config.preset,
        workers=config.workers,
    )
    if run_sweep(asked):
        sys.exit(1)
    groups: dict[tuple[str, float], list[Run]] = {group: [] for group in product(METHODS, LEVELS)}
    for planned in runs_of(asked).values():
        groups[planned.method, planned.oversight].append(load_run(planned.folder))
    table = markdown(HEADINGS, map(line, groups.values())).rstrip()
    seeds = ", ".join(map(str, config.seeds))
    made = provenance(read_results(config.runs).results)
    text = PAGE.format(preset=config.preset, seeds=seeds, provenance=made, table=table)
    config.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()

"""The difference between the paper's metric and the truth, by method and oversight; writes docs/flattery_table.md.

    python scripts/flattery_table.py [--workers 2] [--runs runs/flattery]

Finished runs are kept and reused.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.paper_metric import mean_paper_metric
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.sweeps.plan import SweepConfig, runs_of

METHODS = ("routing", "naive", "filtering", "oracle")
LEVELS = (0.03, 0.1, 0.3, 0.8)


@dataclass(frozen=True)
class FlatteryConfig:
    """Train four methods at four oversight levels, seed 0, and write the table."""

    preset: str = "fast"
    """Hyperparameters of the runs."""
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


def main() -> None:
    config = tyro.cli(FlatteryConfig)
    asked = SweepConfig(
        out=config.runs,
        methods=METHODS,
        oversight=LEVELS,
        seeds=1,
        preset=config.preset,
        workers=config.workers,
    )
    if run_sweep(asked):
        sys.exit(1)
    runs = sorted(runs_of(asked).values(), key=lambda run: (METHODS.index(run.method), run.oversight))
    lines = [
        "| method | oversight | paper's metric | exact, mixed | exact, nobody looks | mixing adds | defects add |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        paper, mixed, none = judge(load_run(run.folder))
        marked = f"{run.method} (trained on the ground truth)" if run.method_row.uses_hidden else run.method
        figures = (paper, mixed, none, mixed - none, paper - mixed)
        lines.append(f"| {marked} | {run.oversight:g} | {' | '.join(f'{figure:+.3f}' for figure in figures)} |")
    table = "\n".join(lines)
    print(table)
    config.out.write_text(
        "# How much the paper's metric flatters\n\n"
        "Stepwise ground-truth return of each method as it is used (routing: forced to the diamond expert), one seed,\n"
        f"preset `{config.preset}`. What counts for scalable oversight is what the agent does when nobody looks.\n"
        "The paper's metric (mean of 20 samples) departs from it twice: it draws oversight at the training\n"
        "probability (`mixing adds`), and its stale observations and cut windows change the figure itself (`defects\n"
        "add`). "
        "Formulas: [evaluation.md](evaluation.md).\n\n"
        f"    python scripts/flattery_table.py\n\n{table}\n"
    )


if __name__ == "__main__":
    main()

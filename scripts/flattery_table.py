"""By how much the paper's metric differs from the truth, by method and oversight; writes docs/flattery_table.md.

    python scripts/flattery_table.py [--workers 2] [--runs runs/flattery]

Finished runs are kept and reused.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tyro

from oversight_gym.agents.methods import METHODS as ROWS

METHODS = ("routing", "naive", "filtering", "oracle")
LEVELS = (0.03, 0.1, 0.3, 0.8)


@dataclass(frozen=True)
class FlatteryConfig:
    """Train four methods at four oversight levels, one seed each, at the preset fast, and write the table."""

    seed: int = 0
    """Seed of every run."""
    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/flattery")
    """Where run folders are written."""
    out: Path = Path("docs/flattery_table.md")
    """The table."""


def judge(job: tuple[Path, str, float, int]) -> tuple[float, float, float]:
    """The paper's metric, the exact stepwise return mixed at the training probability, and unwatched."""
    from oversight_gym.config import TrainConfig
    from oversight_gym.evaluation import evaluate
    from oversight_gym.paper_metric import paper_metric
    from oversight_gym.train import finished_run

    runs, method, oversight, seed = job
    folder = runs / method / f"oversight={oversight:g}" / f"seed={seed}"
    run = finished_run(TrainConfig.of(method=method, oversight=oversight, seed=seed, run_dir=folder))
    gate, gamma = run.config.method_row.gate, run.config.settings.gamma
    found = evaluate(run.policy, run.config.grid, (gate,), gamma=gamma)
    paper = sum(paper_metric(run.policy, run.config.grid, gate, gamma, seed) for seed in range(20)) / 20
    return paper, found.figures(gate)["return_stepwise"], found.figures(gate, "none")["return_stepwise"]


def main() -> None:
    config = tyro.cli(FlatteryConfig)
    jobs = [(config.runs, method, level, config.seed) for method in METHODS for level in LEVELS]
    with ProcessPoolExecutor(config.workers) as pool:
        results = list(pool.map(judge, jobs))
    lines = [
        "| method | oversight | paper's metric | exact, mixed | exact, nobody looks | mixing adds | defects add |",
        "|---|---|---|---|---|---|---|",
    ]
    for (_, method, level, _), (paper, mixed, none) in zip(jobs, results, strict=True):
        marked = f"{method} (trained on the ground truth)" if ROWS[method].uses_hidden else method
        figures = (paper, mixed, none, mixed - none, paper - mixed)
        lines.append(f"| {marked} | {level:g} | {' | '.join(f'{figure:+.3f}' for figure in figures)} |")
    table = "\n".join(lines)
    print(table)
    config.out.write_text(
        "# How much the paper's metric flatters\n\n"
        "Stepwise ground-truth return of each method as it is used (routing: forced to the diamond expert), one seed,\n"
        "preset `fast`. What counts for scalable oversight is what the agent does when nobody looks. The paper's\n"
        "metric (mean of 20 samples) departs from it twice: it draws oversight at the training probability (`mixing\n"
        "adds`), and its stale observations and cut windows change the figure itself (`defects add`). Formulas:\n"
        "[evaluation.md](evaluation.md).\n\n"
        f"    python scripts/flattery_table.py --seed {config.seed}\n\n{table}\n"
    )


if __name__ == "__main__":
    main()

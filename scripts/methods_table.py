"""Every method on equal footing: writes docs/methods_table.md.

    python scripts/methods_table.py [--workers 2] [--runs runs/methods]

Core methods with five seeds at four oversight levels, the others with three at two, at the preset fast. Stop it when
you like, the same command goes on.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import tyro

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.analysis.compare import grouped
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.statistics import summarise
from oversight_gym.analysis.tables import markdown
from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.evaluation.paper_metric import mean_paper_metric
from oversight_gym.evaluation.selection import SELECTIONS
from oversight_gym.runs.folder import load_run
from oversight_gym.sweeps.plan import SweepConfig

CORE = ("routing", "naive", "filtering", "oracle", "no_routing", "no_gate")
SAMPLES = 5
"""Batches behind one value of the paper's metric."""
PAGE = """# Every method, tuned alike

Preset `fast`, {steps:,} steps, each method at the gate it is used with. Stepwise return: exact, oversight mixed at the
training probability; mean over seeds with its 95 % interval ([sweeps.md](sweeps.md#intervals)).
*Nobody looks*: in the pattern without oversight, the return from the start and P(ghost). Paper's metric: mean of
{samples} batches (see [evaluation.md](evaluation.md)). Labels: observed kinds consumed in training; *+* those that
selection by `overseen` adds. The three selections are of the same runs: `last` is the stepwise return beside them;
`oracle` is cheating.

    python scripts/methods_table.py

{table}
"""
HEADINGS = (
    "method",
    "oversight",
    "seeds",
    "stepwise return",
    "`overseen`",
    "`oracle`",
    "paper's metric",
    "return, nobody looks",
    "P(ghost), nobody looks",
    "labels",
)


@dataclass(frozen=True)
class TableConfig:
    """Train every method and write the table."""

    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/methods")
    """Where run folders are written."""
    out: Path = Path("docs/methods_table.md")
    """The table."""


def judged_by_the_paper(result: Result) -> float:
    run = load_run(result.config.folder)
    gate, gamma = result.config.gate, result.config.hyper.gamma
    return mean_paper_metric(run.policy, run.config.env, gate, gamma, SAMPLES)


def row(results: list[Result]) -> list[str]:
    """One line of the table, from the runs of one method and level."""
    config = results[0].config

    def average(figure: str, select: str = "last") -> float:
        return mean(replace(result, select=select).figure(figure) for result in results)

    summary = summarise([result.figure("return_stepwise") for result in results])
    spent = mean(replace(result, select="overseen").labels_used - result.labels_used for result in results)
    return [
        f"`{config.method}`" + (" (ground truth)" if config.method_row.uses_hidden else ""),
        f"{config.oversight:.0%}",
        str(len(results)),
        str(summary),
        *(f"{average('return_stepwise', select):+.3f}" for select in SELECTIONS if select != "last"),
        f"{mean(map(judged_by_the_paper, results)):+.3f}",
        f"{average('none/return_start'):+.3f}",
        f"{average('none/p_ghost'):.3f}",
        f"{mean(result.labels_used for result in results):,.0f} + {spent:,.0f}",
    ]


def main() -> None:
    config = tyro.cli(TableConfig)
    others = tuple(name for name in METHODS if name not in CORE)
    for methods, levels, seeds in ((CORE, (0.01, 0.03, 0.1, 0.3), 5), (others, (0.03, 0.1), 3)):
        asked = SweepConfig(out=config.runs, methods=methods, oversight=levels, seeds=seeds, workers=config.workers)
        if run_sweep(asked):
            sys.exit(1)
    results = read_results(config.runs, select="last").results
    order = (*CORE, *others)
    groups = sorted(grouped(results).items(), key=lambda group: (order.index(group[0][0]), group[0][1]))
    table = markdown(HEADINGS, (row(found) for _, found in groups)).rstrip()
    steps = results[0].config.hyper.total_timesteps
    config.out.write_text(PAGE.format(steps=steps, samples=SAMPLES, table=table))
    print(table)


if __name__ == "__main__":
    main()

"""The paper's second set-up beside an independent replication's curve; writes docs/replication.md and its picture.

    python scripts/replication.py [--workers 2] [--runs runs/replication]

Routing at 10 % oversight with the preset paper-reinforce, 2,000 updates (33 M steps), two seeds, as it is and with
paper_compat. Stop it when you like, the same command goes on.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from oversight_gym.analysis.tables import markdown
from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.envs.drawing.palette import BLUE, GREY, ORANGE
from oversight_gym.evaluation.paper_metric import mean_paper_metric
from oversight_gym.files import write_whole
from oversight_gym.pictures.files import chart_files
from oversight_gym.runs.folder import kept_weights, load_run
from oversight_gym.runs.presets import PAPER_REINFORCE
from oversight_gym.sweeps.plan import SweepConfig, runs_of

UPDATES, EVERY = 2000, 100
STEPS = PAPER_REINFORCE.num_envs * PAPER_REINFORCE.n_steps
SETTINGS = (f"total_timesteps={UPDATES * STEPS}", f"evaluations={UPDATES // EVERY}", "keep_weights=true")
PUBLISHED = Path(__file__).parent.parent / "docs" / "replication_learning_curves.csv"
SAMPLES = 2
"""Batches behind one value of the paper's metric."""
THEIRS, CLEAN, COMPAT = "replication", "paper-reinforce", "with `--paper-compat`"

Curve = dict[int, float]
"""From updates to the paper's metric."""


@dataclass(frozen=True)
class ReplicationConfig:
    """Train the runs and write the page."""

    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/replication")
    """Where run folders are written."""
    out: Path = Path("docs/replication.md")
    """The page; the picture lies beside it."""


def curve(folder: Path, gate: str) -> Curve:
    """The paper's metric at every evaluation of a run."""
    run = load_run(folder)
    gamma = run.config.hyper.gamma
    return {
        step // STEPS: mean_paper_metric(policy, run.config.env, gate, gamma, SAMPLES)
        for step, policy in kept_weights(run)
    }


def published(gate: str) -> Curve:
    with PUBLISHED.open() as file:
        rows = [row for row in csv.DictReader(file) if row["policy_type"] == gate]
    return {int(row["update_idx"]): float(row["avg_return"]) for row in rows}


def draw(curves: dict[str, dict[str, list[Curve]]]) -> bytes:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, colour in ((THEIRS, GREY), (COMPAT, ORANGE), (CLEAN, BLUE)):
        for gate, style in (("diamond", "-"), ("ghost", ":")):
            for index, found in enumerate(curves[name][gate]):
                label = f"{name.replace('`', '')}, {gate} expert" if not index else None
                axes.plot(list(found), list(found.values()), style, color=colour, label=label)
    axes.set(xlabel=f"updates of {STEPS:,} steps", ylabel="return, the paper's metric")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return chart_files(figure)["png"]


def table(curves: dict[str, dict[str, list[Curve]]]) -> str:
    names = (THEIRS, COMPAT, CLEAN)
    lines = [
        [
            f"{update:,}",
            *(" / ".join(f"{found[update]:+.3f}" for found in curves[name]["diamond"]) for name in names),
        ]
        for update in range(0, UPDATES + 1, 3 * EVERY)
    ]
    return markdown(("updates", *names), lines).rstrip()


def main() -> None:
    config = tyro.cli(ReplicationConfig)
    curves: dict[str, dict[str, list[Curve]]] = {THEIRS: {gate: [published(gate)] for gate in ("diamond", "ghost")}}
    for name, folder, extra in ((CLEAN, "clean", ()), (COMPAT, "compat", ("paper_compat=true",))):
        asked = SweepConfig(
            out=config.runs / folder,
            methods=("routing",),
            oversight=(0.1,),
            seeds=2,
            preset="paper-reinforce",
            workers=config.workers,
            set=(*SETTINGS, *extra),
        )
        if run_sweep(asked):
            sys.exit(1)
        folders = [run.folder for run in runs_of(asked).values()]
        curves[name] = {gate: [curve(folder, gate) for folder in folders] for gate in ("diamond", "ghost")}
    write_whole(config.out.with_suffix(".png"), draw(curves))
    lines = table(curves)
    print(lines)
    config.out.write_text(PAGE.format(table=lines, picture=config.out.with_suffix(".png").name, samples=SAMPLES))


PAGE = """# The paper's set-up against a replication

Routing at 10 % oversight with the paper's second set-up: REINFORCE with a linear baseline, 512 environments x 32 steps
an update, learning rate 5e-5, its gate behind a 1 x 1 convolution. Return of the policy steered to the diamond expert
by the paper's metric (ours: mean of {samples} batches, seeds 0 and 1; the replication: one batch, one run).

    python scripts/replication.py

![Return by updates]({picture})

{table}

**0.50 at about 1,500 updates, as the replication has it, is missed**: by little with `--paper-compat`, by much
without.

Most of the way is two defects of the paper's code ([evaluation.md](evaluation.md)). The preset drops episodes that
outlast a rollout and bootstraps those that time out; the paper's code counts both as worth nothing. With nearly every
finished episode worth 1, returns differ only by their discount, and beside an entropy bonus of 0.1 little says that
shorter is better. A third of the first steps belong to episodes that outlast the rollout, and at 0 they say it. With
`--paper-compat` episodes are as short as the replication's at 500, 1,000 and 1,300 updates (8.2, 7.2 and 6.6 steps in
its windows, seed 0, against 8.4, 7.1 and 6.5); without it they are longer (9.1, 8.2 and 7.7).

What is left depends on the seed. The free gate, which collects the episodes, drifts towards one expert or the other
and raises or lowers both steered returns: seed 1 has the replication's diamond curve until 1,100 updates and a ghost
expert that lags far behind, seed 0 has a ghost expert close to the replication's and a slower diamond. The gate loss
counts both kinds equally here (`balanced_gate`); with the paper's, the mean over labelled steps, one more run with
`--paper-compat` (seed 0) drifted further: exactly +0.39 / -0.56 after 2,000 updates, where the balanced one had +0.51
/ -0.55. Not reproduced, and not tried: biases that begin at 0, acting on stale observations in training, 33 steps to
a timeout.
"""


if __name__ == "__main__":
    main()

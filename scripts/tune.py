"""Tune the preset fast for every core method with the same budget; writes docs/tuning_trials.csv and its table.

    python scripts/tune.py [--trials 8] [--finalists 2] [--workers 2] [--runs runs/tuning]

Needs the extra ``tune``.

Every method gets the same settings to try: the preset as it was, and ``trials`` points of a scrambled Sobol sequence.
Each is trained at every level with one seed, the ``finalists`` best with another. The criterion is legal: what the
supervisor sees of fresh episodes (``overseen_score``), the mean over levels. The ground truth stands beside it in the
table and decides nothing. Finished runs are kept and reused.
"""

import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import tyro
from optuna.distributions import FloatDistribution, IntDistribution

from oversight_gym.config import TrainConfig, level_name
from oversight_gym.local import Job, run_locally
from oversight_gym.presets import FAST
from oversight_gym.progress import Progress
from oversight_gym.runs import EVALUATIONS, is_finished, write_csv

CORE = ("routing", "naive", "filtering", "oracle", "no_routing", "no_gate")
SPACE = {
    "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "ent_coef": FloatDistribution(0.05, 0.4, log=True),
    "gate_coef": FloatDistribution(0.01, 1.0, log=True),
    "log2_batch_size": IntDistribution(9, 12),
    "n_epochs": IntDistribution(1, 2),
}
"""What is searched; gate_coef is without effect where there is no gate loss."""
BEFORE = {"learning_rate": 1e-3, "ent_coef": 0.2, "gate_coef": 0.01, "log2_batch_size": 11, "n_epochs": 1}
"""The preset as it had been tuned by hand."""
SEEDS = (20, 21)
"""The first round uses the first. Tables report seeds from 0."""

Settings = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class TuneConfig:
    """Search the settings of every method with the same budget."""

    methods: tuple[str, ...] = CORE
    """Oversight methods."""
    oversight: tuple[float, ...] = (0.03, 0.3)
    """Oversight levels; the criterion is the mean over them."""
    trials: int = 8
    """Settings to try beside the preset."""
    finalists: int = 2
    """Settings that get a further seed."""
    total_timesteps: int = FAST.total_timesteps
    """Environment steps of every run."""
    labels: int = 1000
    """Observed kinds that judge one run."""
    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/tuning")
    """Where run folders are written."""
    out: Path = Path("docs/tuning_trials.csv")
    """The table: a row per method and setting."""


def _changed(params: dict[str, Any]) -> Settings:
    """Training settings of a point of the space, rounded to two digits."""
    rounded = {name: float(f"{value:.2g}") if isinstance(value, float) else value for name, value in params.items()}
    return tuple((rounded | {"batch_size": 2 ** rounded.pop("log2_batch_size")}).items())


def _runs(config: TuneConfig, method: str, settings: Settings, seeds: Iterable[int]) -> list[TrainConfig]:
    name = ",".join(f"{key}={value:g}" for key, value in settings)
    runs = []
    for seed in seeds:
        for level in config.oversight:
            run = TrainConfig.of(
                method=method,
                oversight=level,
                seed=seed,
                total_timesteps=config.total_timesteps,
                evaluations=1,
                select_labels=config.labels,
                resume=True,
                **dict(settings),
            )
            runs.append(run.written_to(config.runs / name / run.name))
    return runs


def _train(config: TuneConfig, runs: list[TrainConfig]) -> None:
    todo = [run for run in runs if not is_finished(run)]
    jobs = [Job(str(run.folder), run, config.runs / "logs" / f"{number}.log") for number, run in enumerate(todo)]
    with Progress(dict.fromkeys((job.name for job in jobs), 1.0), len(runs) - len(todo), config.workers) as progress:
        for attempt in run_locally(jobs, config.workers):
            if not attempt.succeeded:
                sys.exit(f"{attempt.job.name} failed; see {attempt.job.log}.")
            progress.finished(attempt.job.name)


def _last_row(run: TrainConfig) -> dict[str, str]:
    with (run.folder / EVALUATIONS).open() as file:
        return list(csv.DictReader(file))[-1]


def _judge(runs: list[TrainConfig], column: str) -> float:
    return mean(float(_last_row(run)[column]) for run in runs)


def _row(config: TuneConfig, method: str, settings: Settings, seeds: tuple[int, ...]) -> dict[str, Any]:
    row = {"method": method, **dict(settings), "seeds": len(seeds)}
    runs = _runs(config, method, settings, seeds)
    row["criterion"] = round(_judge(runs, "select/overseen"), 4)
    for level in config.oversight:
        own = [run for run in runs if run.oversight == level]
        row[f"overseen@{level_name(level)}"] = round(_judge(own, "select/overseen"), 4)
        row[f"truth@{level_name(level)}"] = round(_judge(own, "select/oracle"), 4)
    return row


def main() -> None:
    config = tyro.cli(TuneConfig)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    studies = {
        method: optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.QMCSampler(scramble=True, seed=0, warn_independent_sampling=False),
        )
        for method in config.methods
    }
    for study in studies.values():
        study.enqueue_trial(BEFORE)
    for count in (1, config.trials):  # the sampler wants one finished trial before it draws
        asked = {method: [study.ask(SPACE) for _ in range(count)] for method, study in studies.items()}
        drawn = [(method, trial, _changed(trial.params)) for method, trials in asked.items() for trial in trials]
        _train(config, [run for method, _, settings in drawn for run in _runs(config, method, settings, SEEDS[:1])])
        for method, trial, settings in drawn:
            studies[method].tell(trial, _judge(_runs(config, method, settings, SEEDS[:1]), "select/overseen"))
    ranked = {
        method: [_changed(t.params) for t in sorted(study.trials, key=lambda t: -(t.value or 0.0))]
        for method, study in studies.items()
    }
    finalists = {method: order[: config.finalists] for method, order in ranked.items()}
    last = [(method, settings) for method, chosen in finalists.items() for settings in chosen]
    _train(config, [run for method, settings in last for run in _runs(config, method, settings, SEEDS)])
    rows = []
    for method, order in ranked.items():
        own = [_row(config, method, s, SEEDS if s in finalists[method] else SEEDS[:1]) for s in order]
        rows += sorted(own, key=lambda row: (-row["seeds"], -row["criterion"]))
    write_csv(config.out, rows)
    print(config.out.read_text())


if __name__ == "__main__":
    main()

"""Tune the preset fast for every core method with the same budget; writes docs/tuning_trials.csv.

    python scripts/tune.py [--trials 8] [--workers 2] [--runs runs/tuning]

Needs the extra ``tune``.

Every method gets the same settings to try: the preset as it was, and ``trials`` points of a scrambled Sobol sequence,
each trained at every level with the same seed. The criterion is legal: what the supervisor sees of fresh episodes
(``overseen_score``), the mean over levels. The ground truth stands beside it in the table and decides nothing. Finished
runs are kept and reused.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import tyro
from methods_table import CORE
from optuna.distributions import FloatDistribution, IntDistribution

from oversight_gym.analysis.reading import read_results
from oversight_gym.evaluation.validation import overseen_score, validation_rng
from oversight_gym.files import write_csv
from oversight_gym.runs.config import TrainConfig, level_name
from oversight_gym.runs.folder import is_finished, load_run
from oversight_gym.runs.presets import FAST, WEAK_GATE
from oversight_gym.sweeps.local import Job, run_locally

SPACE = {
    "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "ent_coef": FloatDistribution(0.05, 0.4, log=True),
    "gate_coef": FloatDistribution(0.01, 1.0, log=True),
    "log2_batch_size": IntDistribution(9, 12),
    "n_epochs": IntDistribution(1, 2),
}
"""What is searched; gate_coef is without effect where there is no gate loss."""
BEFORE = {name: getattr(WEAK_GATE, name) for name in SPACE if hasattr(WEAK_GATE, name)} | {
    "log2_batch_size": WEAK_GATE.batch_size.bit_length() - 1
}
"""The preset as it had been tuned by hand."""
SEED = 20
"""Tables report seeds from 0."""

Hyperparameters = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class TuneConfig:
    """Search the settings of every method with the same budget."""

    methods: tuple[str, ...] = CORE
    """Oversight methods."""
    oversight: tuple[float, ...] = (0.03, 0.3)
    """Oversight levels; the criterion is the mean over them."""
    trials: int = 8
    """Hyperparameters to try beside the preset."""
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


def _changed(params: dict[str, Any]) -> Hyperparameters:
    """Training settings of a point of the space, rounded to two digits."""
    rounded = {name: float(f"{value:.2g}") if isinstance(value, float) else value for name, value in params.items()}
    return tuple((rounded | {"batch_size": 2 ** rounded.pop("log2_batch_size")}).items())


def _runs(config: TuneConfig, method: str, settings: Hyperparameters) -> list[TrainConfig]:
    """One run per level."""
    name = ",".join(f"{key}={value:g}" for key, value in settings)
    runs = []
    for level in config.oversight:
        run = TrainConfig.of(
            method=method,
            oversight=level,
            seed=SEED,
            total_timesteps=config.total_timesteps,
            evaluations=1,
            resume=True,
            **dict(settings),
        )
        runs.append(run.written_to(config.runs / name / run.name))
    return runs


def _train(config: TuneConfig, runs: list[TrainConfig]) -> None:
    todo = [run for run in runs if not is_finished(run)]
    jobs = [Job(str(run.folder), run, config.runs / "logs" / f"{number}.log") for number, run in enumerate(todo)]
    for number, attempt in enumerate(run_locally(jobs, config.workers), start=1):
        if not attempt.succeeded:
            sys.exit(f"{attempt.job.name} failed; see {attempt.job.log}.")
        print(f"[{number}/{len(jobs)}] {attempt.job.name} finished", flush=True)


def _judged(config: TuneConfig, method: str, settings: Hyperparameters) -> dict[str, Any]:
    """A row of the table."""
    row: dict[str, Any] = {"method": method, **dict(settings), "criterion": 0.0}
    for run in _runs(config, method, settings):
        (result,) = read_results(run.folder).results
        last, level = result.rows[-1], level_name(run.oversight)
        how, draws = (run.gate, run.hyper.gamma, config.labels), validation_rng(run.seed, run.hyper.total_timesteps)
        found = overseen_score(load_run(run.folder).policy, run.env, *how, draws)
        row[f"overseen@{level}"] = round(found.value, 4)
        row[f"truth@{level}"] = round(last["select/oracle"], 4)
        row["criterion"] += found.value / len(config.oversight)
    return row | {"criterion": round(row["criterion"], 4)}


def main() -> None:
    config = tyro.cli(TuneConfig)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = partial(optuna.samplers.QMCSampler, scramble=True, seed=0, warn_independent_sampling=False)
    studies = {method: optuna.create_study(direction="maximize", sampler=sampler()) for method in config.methods}
    for study in studies.values():
        study.enqueue_trial(BEFORE)
    rows: list[dict[str, Any]] = []
    for count in (1, config.trials):  # the sampler wants one finished trial before it draws
        asked = {method: [study.ask(SPACE) for _ in range(count)] for method, study in studies.items()}
        drawn = [(method, trial, _changed(trial.params)) for method, trials in asked.items() for trial in trials]
        _train(config, [run for method, _, settings in drawn for run in _runs(config, method, settings)])
        for method, trial, settings in drawn:
            rows.append(_judged(config, method, settings))
            studies[method].tell(trial, rows[-1]["criterion"])
    rows.sort(key=lambda row: (config.methods.index(row["method"]), -row["criterion"]))
    write_csv(config.out, rows)
    print(config.out.read_text())
    for method, study in studies.items():
        print(f"{method}: {study.best_value:+.3f} with {dict(_changed(study.best_params))}")


if __name__ == "__main__":
    main()

"""Tune the preset fast for every core method with the same budget; writes docs/tuning_trials.csv.

    python scripts/tune.py [--trials 12] [--workers 2]

Needs the extra ``tune``.

Every method gets the same settings to try: the preset as it was, and points of a scrambled Sobol sequence, each trained
at every level with the same two seeds, which no table reports. The criterion is legal: what the supervisor sees of
fresh episodes (``overseen_score``), the mean over levels and seeds. The ground truth stands beside it in the table and
decides nothing. The rows of single runs are kept in docs/results/tuning.csv: stop it when you like, the same command
goes on.
"""

import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import tyro
from optuna.distributions import FloatDistribution, IntDistribution
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.results import Result
from oversight_gym.files import write_csv
from oversight_gym.runs.config import TrainConfig, level_name
from oversight_gym.runs.presets import FAST

METHODS = (
    "routing",
    "classified_routing",
    "no_routing",
    "naive",
    "filtering",
    "oracle",
    "masked_oversight",
    "reward_model_masked",
)
SPACE = {
    "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "ent_coef": FloatDistribution(0.02, 0.3, log=True),
    "gate_coef": FloatDistribution(0.05, 5.0, log=True),
    "log2_batch_size": IntDistribution(10, 13),
}
"""What is searched; gate_coef is without effect where there is no gate loss."""
BEFORE = {"learning_rate": 1.6e-3, "ent_coef": 0.05, "gate_coef": 0.48, "log2_batch_size": 12}
"""The preset as it was."""
FIRST = (0.01, 0.1)
"""Levels to begin with."""
SEEDS = (20, 21)
"""Tables report seeds from 0."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class TuneConfig:
    """Search the settings of every method with the same budget."""

    methods: tuple[str, ...] = METHODS
    """Oversight methods."""
    oversight: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    """Oversight levels; the criterion is the mean over them."""
    trials: int = 12
    """Settings to try, the preset among them."""
    total_timesteps: int = FAST.total_timesteps
    """Environment steps of every run."""
    labels: int = 1000
    """Observed kinds that judge one run."""
    results: Path = Path("docs/results/tuning.csv")
    """The rows of single runs."""
    out: Path = Path("docs/tuning_trials.csv")
    """The table: a row per method and setting."""
    how: RunsConfig = field(default_factory=RunsConfig)


def settings_of(params: dict[str, Any]) -> Settings:
    """Training settings of a point of the space, rounded to two digits."""
    rounded = {name: float(f"{value:.2g}") if isinstance(value, float) else value for name, value in params.items()}
    return rounded | {"batch_size": 2 ** rounded.pop("log2_batch_size")}


def runs_of(config: TuneConfig, method: str, settings: Settings) -> list[TrainConfig]:
    """One run per level and seed."""
    common = {"total_timesteps": config.total_timesteps, "evaluations": 1, "select_labels": config.labels}
    return [
        TrainConfig.of(method=method, oversight=level, seed=seed, select="overseen", **common, **settings)
        for level in config.oversight
        for seed in SEEDS
    ]


def judged(config: TuneConfig, method: str, settings: Settings, results: list[Result]) -> dict[str, Any]:
    """A row of the table, from the results of :func:`runs_of`."""
    row: dict[str, Any] = {"method": method, **settings, "criterion": 0.0}
    for level in config.oversight:
        found = [result for result in results if result.config.oversight == level]
        row[f"overseen@{level_name(level)}"] = round(mean(result.counted["select/overseen"] for result in found), 4)
        row[f"truth@{level_name(level)}"] = round(mean(result.figure("none/return_start") for result in found), 4)
    overseen = [result.counted["select/overseen"] for result in results]
    return row | {"criterion": round(mean(overseen), 4)}


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[TuneConfig])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    sampler = partial(optuna.samplers.QMCSampler, scramble=True, seed=0, warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler())  # asks for points and is told nothing: every method tries the same
    study.enqueue_trial(BEFORE)
    study.tell(study.ask(SPACE), 0.0)  # the sampler wants one finished trial before it draws
    tried = [settings_of(BEFORE), *(settings_of(study.ask(SPACE).params) for _ in range(config.trials - 1))]
    asked = [(method, settings, runs_of(config, method, settings)) for settings in tried for method in config.methods]
    everything = [run for _, _, runs in asked for run in runs]
    if not config.how.dry_run:  # two of the levels say most of what four do, so they come first
        complete(config.results, [run for run in everything if run.oversight in FIRST], config.how, contrasts=False)
    results = iter(complete(config.results, everything, config.how, contrasts=False))
    rows = [judged(config, method, settings, [next(results) for _ in runs]) for method, settings, runs in asked]
    rows.sort(key=lambda row: (config.methods.index(row["method"]), -row["criterion"]))
    write_csv(config.out, rows)
    print(config.out.read_text())
    for method in config.methods:
        best = next(row for row in rows if row["method"] == method)
        print(f"{method}: {best['criterion']:+.3f} with { ({name: best[name] for name in tried[0]}) }")


if __name__ == "__main__":
    main()

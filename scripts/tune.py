"""Tune the preset fast for every core method with the same budget; writes docs/tuning_trials.csv and docs/tuning.md.

    python scripts/tune.py [--trials 12] [--workers 2]

Needs the extra ``tune``.

Every method gets the same settings to try: the preset as it was, and points of a scrambled Sobol sequence, each trained
with the same two seeds, which no table reports. All of them are tried at two levels of oversight, the best few of each
method at the others (successive halving). The criterion is legal: what the supervisor sees of fresh episodes
(``overseen_score``), the mean over levels and seeds. The ground truth stands beside it in the table and decides
nothing. The rows of single runs are kept in docs/results/tuning.csv: stop it when you like, the same command goes on.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import tyro
from marked import fill
from optuna.distributions import FloatDistribution, IntDistribution
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.stored import stored_key
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
SEARCHED = {
    "learning_rate": "learning rate",
    "ent_coef": "entropy",
    "gate_coef": "gate loss",
    "batch_size": "minibatch",
}
"""What is searched, and its heading in tables."""
BEFORE = {"learning_rate": 1.6e-3, "ent_coef": 0.05, "gate_coef": 0.48, "log2_batch_size": 12}
"""The preset as it was."""
SEEDS = (20, 21)
"""Tables report seeds from 0."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class TuneConfig:
    """Search the settings of every method with the same budget."""

    methods: tuple[str, ...] = METHODS
    """Oversight methods."""
    first: tuple[float, ...] = (0.01, 0.1)
    """Oversight levels at which every setting is tried."""
    oversight: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    """Oversight levels at which the best settings are compared; the criterion is the mean over them."""
    trials: int = 12
    """Settings to try, the preset among them."""
    finalists: int = 3
    """How many settings of each method go on from the first levels to all of them."""
    total_timesteps: int = FAST.total_timesteps
    """Environment steps of every run."""
    labels: int = 1000
    """Observed kinds that judge one run."""
    results: Path = Path("docs/results/tuning.csv")
    """The rows of single runs."""
    out: Path = Path("docs/tuning_trials.csv")
    """The table: a row per method and setting."""
    page: Path | None = Path("docs/tuning.md")
    """The page whose tables are filled; none for no page."""
    how: RunsConfig = field(default_factory=RunsConfig)


def settings_of(params: dict[str, Any]) -> Settings:
    """Training settings of a point of the space, rounded to two digits."""
    rounded = {name: float(f"{value:.2g}") if isinstance(value, float) else value for name, value in params.items()}
    return rounded | {"batch_size": 2 ** rounded.pop("log2_batch_size")}


def runs_of(config: TuneConfig, levels: Sequence[float], method: str, settings: Settings) -> list[TrainConfig]:
    """One run per level and seed."""
    common = {"total_timesteps": config.total_timesteps, "evaluations": 1, "select_labels": config.labels}
    return [
        TrainConfig.of(method=method, oversight=level, seed=seed, select="overseen", **common, **settings)
        for level in levels
        for seed in SEEDS
    ]


def judged(method: str, settings: Settings, results: list[Result]) -> dict[str, Any]:
    """A row of the table, from the results of :func:`runs_of`."""
    row: dict[str, Any] = {"method": method, **settings}
    row["levels"] = len({result.config.oversight for result in results})
    row["criterion"] = round(mean(result.counted["select/overseen"] for result in results), 4)
    for level in dict.fromkeys(result.config.oversight for result in results):
        found = [result for result in results if result.config.oversight == level]
        row[f"overseen@{level_name(level)}"] = round(mean(result.counted["select/overseen"] for result in found), 4)
        row[f"truth@{level_name(level)}"] = round(mean(result.figure("none/return_start") for result in found), 4)
    return row


def settings_to_try(trials: int) -> list[Settings]:
    """The preset as it was, then points of a scrambled Sobol sequence."""
    sampler = partial(optuna.samplers.QMCSampler, scramble=True, seed=0, warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler())  # asks for points and is told nothing: every method tries the same
    study.enqueue_trial(BEFORE)
    study.tell(study.ask(SPACE), 0.0)  # the sampler wants one finished trial before it draws
    return [settings_of(BEFORE), *(settings_of(study.ask(SPACE).params) for _ in range(trials - 1))]


def named(settings: Settings) -> list[str]:
    """The cells that name a setting."""
    return [f"{settings[name]:g}" for name in SEARCHED]


def trials_table(methods: Sequence[str], first: list[dict[str, Any]]) -> str:
    """The criterion of every setting at the first levels; the best of each method in bold."""
    found = {(row["method"], *named(row)): row["criterion"] for row in first}
    best = {method: max(value for key, value in found.items() if key[0] == method) for method in methods}
    lines = []
    for cells in sorted({tuple(named(row)) for row in first}, key=lambda cells: float(cells[0])):
        values = [found.get((method, *cells)) for method in methods]
        shown = (
            "" if v is None else f"**{v:.2f}**" if v == best[m] else f"{v:.2f}"
            for m, v in zip(methods, values, strict=True)
        )
        lines.append([*cells, *shown])
    return markdown((*SEARCHED.values(), *(f"`{method}`" for method in methods)), lines)


def finals_table(levels: Sequence[float], finals: list[dict[str, Any]]) -> str:
    """What the supervisor sees of each finalist, and the truth beside it, at every level."""
    lines = [
        [
            f"`{row['method']}`",
            *named(row),
            f"{row['criterion']:.3f}",
            *(f"{row[f'overseen@{level_name(a)}']:.2f} ({row[f'truth@{level_name(a)}']:.2f})" for a in levels),
        ]
        for row in finals
    ]
    return markdown(("method", *SEARCHED.values(), "mean", *(f"{level:.0%}" for level in levels)), lines)


def compared(config: TuneConfig, levels: Sequence[float], asked: list[tuple[str, Settings]]) -> list[dict[str, Any]]:
    """A row for each method and setting that is trained at all of these levels; of each method the best first."""
    groups = [(method, settings, runs_of(config, levels, method, settings)) for method, settings in asked]
    wanted = [run for *_, runs in groups for run in runs]
    found = {
        stored_key(result.config): result for result in complete(config.results, wanted, config.how, contrasts=False)
    }
    keyed = [(method, settings, list(map(stored_key, runs))) for method, settings, runs in groups]
    rows = [judged(*pair, [found[key] for key in keys]) for *pair, keys in keyed if all(key in found for key in keys)]
    return sorted(rows, key=lambda row: (config.methods.index(row["method"]), -row["criterion"]))


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[TuneConfig])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    tried = settings_to_try(config.trials)
    everything = [(method, settings) for settings in tried for method in config.methods]
    first = compared(config, config.first, everything)
    best = []
    for method in config.methods:
        own = [row for row in first if row["method"] == method]
        best += [(method, {name: row[name] for name in tried[0]}) for row in own[: config.finalists]]
    finals = compared(config, config.oversight, best)
    known = {(row["method"], *named(row)) for row in finals}
    others = [row for row in first if (row["method"], *named(row)) not in known]
    rows = sorted([*finals, *others], key=lambda row: config.methods.index(row["method"]))
    write_csv(config.out, rows)
    if config.page:
        tables = {"trials": trials_table(config.methods, first), "finals": finals_table(config.oversight, finals)}
        fill(config.page, tables)
    print(config.out.read_text())
    for method in config.methods:
        best = next(row for row in rows if row["method"] == method)
        print(f"{method}: {best['criterion']:+.3f} with { ({name: best[name] for name in tried[0]}) }")


if __name__ == "__main__":
    main()

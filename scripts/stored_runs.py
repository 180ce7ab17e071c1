"""The runs behind a table: those whose rows are stored are read, the others are trained now and stored.

Rows outlive their run folders, so a table that takes days can be made in many sittings, on any machine.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.stored import store_rows, stored_key
from oversight_gym.evaluation.choosing import ChosenGate, candidate_gates, choose_gate
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.selection import Row
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.rows import at_gate, evaluation_row
from oversight_gym.sweeps.local import Job, run_locally


@dataclass(frozen=True)
class RunsConfig:
    """Where the runs of a table are kept, and how they are trained."""

    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/tables")
    """Where runs are trained; a run's folder is deleted when its row is stored."""
    keep: Path | None = None
    """Where the folders of finished runs go instead of being deleted."""
    dry_run: bool = False
    """Say how many runs are missing, and stop."""
    train: bool = True
    """Train what is missing; without it, make do with the rows that are stored."""


After = Callable[[Result, Run], None]
"""What a table keeps of a run beside its row: it is handed the result and the run before its folder is deleted."""


def complete(
    table: Path, wanted: Sequence[TrainConfig], how: RunsConfig, contrasts: bool = True, after: After | None = None
) -> list[Result]:
    """The results of runs, trained where ``table`` has no row of them, in the order asked for.

    Each row is stored when its run ends, so that little is lost when this is stopped.

    Args:
        table: CSV file of rows.
        wanted: the runs.
        how: to train them; without training, what is not stored is left out of the results.
        contrasts: also judge runs with several experts at gates beyond them, which takes a while.
        after: keeps what else the table needs of a run that was trained now.
    """
    keys, known = [stored_key(config) for config in wanted], _stored(table)
    missing = {key: config for key, config in zip(keys, wanted, strict=True) if key not in known}
    print(
        f"{table}: {len(wanted) - len(missing)} of {len(wanted)} runs are stored, {len(missing)} to train.", flush=True
    )
    if how.dry_run:
        sys.exit()
    if not how.train:
        return [known[key] for key in keys if key in known]
    torch.set_num_threads(1)  # the workers take the cores
    jobs = []
    for number, config in enumerate(missing.values()):
        folder = how.runs / f"{number:04}" / config.name
        jobs.append(Job(str(number), replace(config, run_dir=folder, resume=True), folder.with_suffix(".log")))
    failed = []
    for count, attempt in enumerate(run_locally(jobs, how.workers), start=1):
        job = attempt.job
        if not attempt.succeeded:
            failed.append(job)
            continue
        (result,) = read_results(job.config.folder).results
        if contrasts and len(job.config.experts) > 1:
            result = replace(result, rows=(*result.rows[:-1], result.rows[-1] | contrasted(job.config)))
        if after is not None:
            after(result, load_run(job.config.folder))
        store_rows(table, [result])
        _put_away(job.config, how.keep)
        shown = f"{job.config.name} {result.series}: {result.figure('none/return_start'):+.3f}"
        print(f"[{count}/{len(jobs)}] {shown}", flush=True)
    if failed:
        sys.exit(f"{len(failed)} run(s) failed; the first log is {failed[0].log}.")
    rows = _stored(table)
    return [rows[key] for key in keys]


def _put_away(config: TrainConfig, keep: Path | None) -> None:
    """Delete the folder of a finished run, or keep it under the name that it would have by itself."""
    if keep is None:
        shutil.rmtree(config.folder)
        return
    place = keep / replace(config, run_dir=None).folder.relative_to("runs")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(config.folder, place)


CHOICE = 5
"""The stream of a seed that gates are chosen by."""
CHOSEN, LABELS = "chosen", 1000
"""Name of the gate that the supervisor chooses, and the observed kinds that the choice may cost."""


def chosen_gate(config: TrainConfig, policy: GatedMixturePolicy, *stream: int) -> ChosenGate:
    """The gate that the supervisor chooses for a policy of a run, with the scores of all candidates."""
    rng = np.random.default_rng([config.seed, CHOICE, *stream])
    return choose_gate(policy, config.env, LABELS, config.hyper.gamma, rng, candidate_gates(config.experts))


def contrasted(config: TrainConfig) -> Row:
    """What a finished run does beyond its experts: figures of each contrast, and of the one that is chosen legally."""
    run = load_run(config.folder)
    choice = chosen_gate(config, run.policy)
    found = evaluate(run.policy, config.env, tuple(choice.scores), gamma=config.hyper.gamma, regret=False)
    row = evaluation_row(0, found, {})
    own = {f"{CHOSEN}/{name}": value for name, value in at_gate(row, choice.gate).items()}
    return {name: value for name, value in (row | own).items() if name != "step"}


def regret(result: Result) -> float:
    """By how much the chosen gate falls short of the best candidate, in return from the start when nobody looks."""
    candidates = [value for name, value in result.counted.items() if name.endswith("/none/return_start")]
    return max(candidates) - result.counted[f"{CHOSEN}/none/return_start"]


def returns(results: Sequence[Result], method: str, oversight: float, contrasted: bool) -> dict[int, float]:
    """Return from the start when nobody looks by seed, at the chosen gate if that is asked for and there is one."""
    found = [result for result in results if (result.config.method, result.config.oversight) == (method, oversight)]
    plain = {result.config.seed: result.figure("none/return_start") for result in found}
    chosen = f"{CHOSEN}/none/return_start"
    own = {result.config.seed: result.counted[chosen] for result in found if chosen in result.counted}
    return plain | (own if contrasted else {})


def _stored(table: Path) -> dict[tuple[str, ...], Result]:
    if not table.exists():
        return {}
    return {stored_key(result.config): result for result in read_results(table).results}

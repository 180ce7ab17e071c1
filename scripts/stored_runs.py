"""The runs behind a table: those whose rows are stored are read, the others are trained now and stored.

Rows outlive their run folders, so a table that takes days can be made in many sittings, on any machine.
"""

import csv
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.stored import store_rows, stored_key
from oversight_gym.files import write_csv
from oversight_gym.runs.config import TrainConfig
from oversight_gym.sweeps.local import Job, run_locally


@dataclass(frozen=True)
class RunsConfig:
    """Where the runs of a table are kept, and how they are trained."""

    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/tables")
    """Where runs are trained; a run's folder is deleted when its row is stored."""
    dry_run: bool = False
    """Say how many runs are missing, and stop."""


def complete(table: Path, wanted: Sequence[TrainConfig], how: RunsConfig, curves: Path | None = None) -> list[Result]:
    """The results of runs, trained where ``table`` has no row of them, in the order asked for.

    Each row is stored when its run ends, so that little is lost when this is stopped.

    Args:
        table: CSV file of rows.
        wanted: the runs.
        how: to train them.
        curves: CSV file for the figures of every evaluation, see :func:`read_curves`.
    """
    keys = [stored_key(config) for config in wanted]
    missing = {key: config for key, config in zip(keys, wanted, strict=True) if key not in _stored(table)}
    print(
        f"{table}: {len(wanted) - len(missing)} of {len(wanted)} runs are stored, {len(missing)} to train.", flush=True
    )
    if how.dry_run:
        sys.exit()
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
        if curves is not None:
            _store_curve(curves, result)
        store_rows(table, [result])
        shutil.rmtree(job.config.folder)
        shown = f"{job.config.name} {result.series}: {result.figure('none/return_start'):+.3f}"
        print(f"[{count}/{len(jobs)}] {shown}", flush=True)
    if failed:
        sys.exit(f"{len(failed)} run(s) failed; the first log is {failed[0].log}.")
    rows = _stored(table)
    return [rows[key] for key in keys]


RUN = ("method", "oversight", "seed", "settings")
"""What tells the runs of curves apart, the beginning of a row's key."""
CURVES = ("return_stepwise", "none/return_start", "none/p_ghost")
"""Figures of a curve, at the gate that the method is used with."""


def _store_curve(path: Path, result: Result) -> None:
    run = dict(zip(RUN, stored_key(result.config), strict=False))
    columns = {name: dict(zip(*result.curve(name), strict=True)) for name in CURVES}
    new = [
        run | {"step": int(step)} | {n: round(c[step], 4) for n, c in columns.items()} for step in columns[CURVES[0]]
    ]
    kept = [row for row in read_curves(path) if any(str(row[name]) != str(run[name]) for name in run)]
    write_csv(path, [*kept, *new])


def read_curves(path: Path) -> list[dict[str, str]]:
    """The rows of a file of curves: what tells runs apart, the step, and ``CURVES``; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _stored(table: Path) -> dict[tuple[str, ...], Result]:
    if not table.exists():
        return {}
    return {stored_key(result.config): result for result in read_results(table).results}

"""Reads results from run folders; only their small files are read."""

import csv
from pathlib import Path

from oversight_gym.analysis.results import Reading, Result
from oversight_gym.envs import RequestError
from oversight_gym.files import printable
from oversight_gym.runs.contents import CONFIG, FINISHED
from oversight_gym.runs.folder import stored_config, stored_versions
from oversight_gym.runs.record import finished_record
from oversight_gym.runs.rows import read_evaluations

DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, csv.Error)
"""The exceptions that reading a broken file can raise."""


def read_folders(folder: Path, select: str | None, reading: Reading) -> None:
    """Add every run below a folder; arguments as in ``read_results``.

    Raises:
        RequestError: if it is not a folder.
    """
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give one that holds runs, for example of a sweep.")
    unfinished = 0
    for path in sorted(folder.rglob(CONFIG)):
        if not (path.parent / FINISHED).exists():
            unfinished += 1
            continue
        try:
            reading.results.append(_read(path.parent, select))
        except DAMAGE as error:
            reason = str(error).splitlines()[0].rstrip(".") if str(error) else "it is broken"
            reading.damaged.append(f"{printable(path.parent)} was left out: {reason}.")
    if unfinished:
        reading.notes.append(f"{unfinished} unfinished run(s) were left out.")


def _read(folder: Path, select: str | None) -> Result:
    config, record = stored_config(folder), finished_record(folder)
    return Result(
        config,
        tuple(read_evaluations(folder)),
        labels={use: int(count) for use, count in record["labels"].items()},
        select=select or config.select,
        version=int(record.get("results_version", 1)),
        commit=stored_versions(folder)[-1].get("commit", ""),
        source=printable(folder),
    )

"""Figures of every evaluation of a run, kept in a CSV file beside the table of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from oversight_gym.analysis.results import Result
from oversight_gym.analysis.stored import stored_key
from oversight_gym.evaluation.selection import Row
from oversight_gym.files import read_csv, write_csv

RUN = ("method", "oversight", "seed", "settings")
"""What tells the runs of curves apart, the beginning of a row's key."""
CURVES = ("return_stepwise", "none/return_start", "none/p_ghost")
"""Figures of a curve, at the gate that the method is used with."""


def store_curve(path: Path, result: Result, more: Mapping[int, Row] | None = None) -> None:
    """Put the figures of every evaluation of a run into a CSV file: ``RUN``, the step, ``CURVES``, and ``more`` of a
    step."""
    run = dict(zip(RUN, stored_key(result.config), strict=False))
    columns = {name: dict(zip(*result.curve(name), strict=True)) for name in CURVES}
    new = []
    for step in columns[CURVES[0]]:
        found = {name: column[step] for name, column in columns.items()} | (more or {}).get(int(step), {})
        new.append(run | {"step": int(step)} | {name: round(value, 4) for name, value in found.items()})
    kept = [row for row in read_csv(path) if any(str(row[name]) != str(run[name]) for name in run)]
    write_csv(path, [*kept, *new])


def curve_of(rows: Sequence[dict[str, str]], result: Result) -> list[dict[str, str]]:
    """The rows of one run."""
    run = stored_key(result.config)[: len(RUN)]
    return [row for row in rows if tuple(row[name] for name in RUN) == run]

"""The rows of ``evaluations.csv``: every figure of one evaluation, by gate and oversight pattern."""

import csv
import io
from pathlib import Path

from oversight_gym.evaluation.figures import Evaluation
from oversight_gym.evaluation.selection import Row
from oversight_gym.runs.contents import EVALUATIONS
from oversight_gym.runs.record import read_file


def evaluation_row(step: int, evaluation: Evaluation, labels: dict[str, int]) -> Row:
    """One row of ``evaluations.csv``.

    Args:
        step: the training step.
        evaluation: ``<gate>/<figure>`` mixed, ``<gate>/<pattern>/<figure>`` per pattern.
        labels: the labels consumed so far, by use; their columns are ``labels/<use>``.
    """
    row: Row = {"step": step}
    for gate in evaluation.names:
        row |= {f"{gate}/{key}": value for key, value in evaluation.figures(gate).items()}
        for pattern in evaluation.patterns:
            row |= {f"{gate}/{pattern}/{key}": value for key, value in evaluation.figures(gate, pattern).items()}
    return row | {f"labels/{use}": count for use, count in labels.items()}


def at_gate(row: Row, gate: str) -> Row:
    """The figures of a row at one gate, mixed and per pattern."""
    prefix = f"{gate}/"
    return {key.removeprefix(prefix): value for key, value in row.items() if key.startswith(prefix)}


def scalars(row: Row, gate: str) -> Row:
    """A row as curves: ``eval/<gate>/...``, the policy as it is used as ``as_used/...``, ``labels/`` and ``select/``.

    Args:
        row: of ``evaluations.csv``.
        gate: that the method is used with.
    """
    own = ("labels/", "select/")
    found = {(key if key.startswith(own) else f"eval/{key}"): value for key, value in row.items() if key != "step"}
    return found | {f"as_used/{key}": value for key, value in at_gate(row, gate).items()}


def read_evaluations(folder: Path) -> list[Row]:
    """The rows of a run's ``evaluations.csv``.

    Raises:
        RequestError: if the file is missing or damaged.
        ValueError: if one from before there were digests holds something else.
    """
    table = csv.DictReader(io.StringIO(read_file(folder, EVALUATIONS).decode(), newline=""))
    return [{key: float(value) for key, value in row.items() if value} for row in table]

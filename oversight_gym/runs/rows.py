"""The rows of ``evaluations.csv``: every figure of one evaluation, by gate and oversight pattern."""

from oversight_gym.evaluation.figures import Evaluation
from oversight_gym.evaluation.selection import Row


def evaluation_row(step: int, evaluation: Evaluation, labels: dict[str, int]) -> Row:
    """One row of ``evaluations.csv``.

    Args:
        step: of training.
        evaluation: ``<gate>/<figure>`` mixed, ``<gate>/<pattern>/<figure>`` per pattern.
        labels: consumed so far, ``labels/<use>``.
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

"""Model selection: the choice of the checkpoint of a run that counts."""

from collections.abc import Sequence

Row = dict[str, float]

SELECTIONS = {
    "last": "the last one",
    "overseen": "best on observed outcomes of held-out episodes",
    "oracle": "best by the ground truth: cheating, marked as such everywhere",
}
"""The ways to choose a checkpoint."""


def chosen(rows: Sequence[Row], select: str) -> int:
    """The index of the evaluation that a selection chooses; the first of equal ones."""
    if select == "last":
        return len(rows) - 1
    scores = [row[f"select/{select}"] for row in rows]
    return scores.index(max(scores))


def labels_spent(rows: Sequence[Row], select: str) -> int:
    """The number of labels that a selection has consumed."""
    return int(sum(row["select/overseen_labels"] for row in rows)) if select == "overseen" else 0

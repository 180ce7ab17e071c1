"""Model selection: which checkpoint of a run counts."""

from collections.abc import Sequence

Row = dict[str, float]

SELECTIONS = {
    "last": "the last one",
    "overseen": "best on observed outcomes of held-out episodes",
    "oracle": "best by the ground truth: cheating, marked as such everywhere",
}
"""How a checkpoint can be chosen."""


def chosen(rows: Sequence[Row], select: str) -> int:
    """Index of the evaluation that a selection keeps; the first of equals."""
    if select == "last":
        return len(rows) - 1
    scores = [row[f"select/{select}"] for row in rows]
    return scores.index(max(scores))


def labels_spent(rows: Sequence[Row], select: str) -> int:
    """Labels that a selection has used up."""
    return int(sum(row["select/overseen_labels"] for row in rows)) if select == "overseen" else 0

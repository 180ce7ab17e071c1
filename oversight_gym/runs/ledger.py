"""The label ledger: how many observed kinds a run consumed, by use.

A label is the kind of terminal that one finished episode was observed to reach. Methods are comparable only
at equal labels, or with the difference shown.
"""

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.methods.builtin import Method
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome

USES = ("training", "gate_loss", "model_selection")


def ledger(method: Method, episodes: NDArray[np.int64], model_selection: int = 0) -> dict[str, int]:
    """Labels consumed so far, by use; the same label may serve several uses.

    Args:
        method: the method. One that trains on the ground truth is charged for every terminal reached.
        episodes: shape (outcomes,), int64: finished training episodes by observed ``Outcome``.
        model_selection: labels spent on choosing a checkpoint.
    """
    labels = int(episodes[FIRST_KIND:].sum() + episodes[Outcome.UNKNOWN] * method.uses_hidden)
    return {use: labels * (use in method.label_uses) for use in USES} | {"model_selection": model_selection}

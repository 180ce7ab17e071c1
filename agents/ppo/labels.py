"""The supervisor's view of how episodes ended, which is all that training may know."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.ppo.routes import SHARED, Routes
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.infos import StepInfos

NONE, UNKNOWN = range(len(SHARED))
"""The numbers of the outcomes that every environment has."""
UNFINISHED = -1
"""The outcome of a step whose episode has not ended when the rollout ends."""


class EpisodeEnds(NamedTuple):
    """Which episodes ended at a time step, and how the supervisor saw them end.

    Attributes:
        ended: shape (envs,), bool.
        observed: shape (envs,), int8: the number of the outcome where an episode ended, ``NONE`` elsewhere.
    """

    ended: NDArray[np.bool_]
    observed: NDArray[np.int8]


def supervise(infos: Sequence[dict[str, Any]], dones: NDArray[np.bool_], routes: Routes) -> EpisodeEnds:
    """Read the supervisor's view, and nothing else, from a step's infos.

    Raises:
        RequestError: if the environment does not report ``observed_outcome`` where an episode ended, or reports one
            that ``routes`` does not contain.
    """
    if isinstance(infos, StepInfos):
        return EpisodeEnds(infos.ended, infos.observed)
    observed = np.zeros(len(dones), dtype=np.int8)
    for index in np.flatnonzero(dones).tolist():
        if "observed_outcome" not in infos[index]:
            raise RequestError(
                "the environment's info has no 'observed_outcome' at the end of an episode, which the method needs "
                "at every end, truncation included; report it (docs/examples/own_env.py does), or train with "
                "method=PLAIN."
            )
        observed[index] = routes.code(infos[index]["observed_outcome"])
    return EpisodeEnds(np.asarray(dones, dtype=bool), observed)


def fill_back(ended: NDArray[np.bool_], observed: NDArray[np.int8]) -> NDArray[np.int8]:
    """The outcome of each step's whole episode.

    Args:
        ended: shape (steps, envs), bool, whether the step was its episode's last.
        observed: shape (steps, envs), int8, its outcome where it was.

    Returns:
        shape (steps, envs), int8: number of the outcome, or ``UNFINISHED``.
    """
    filled = np.empty_like(observed)
    following = np.full(observed.shape[1], UNFINISHED, dtype=np.int8)
    for step in reversed(range(len(observed))):
        following = np.where(ended[step], observed[step], following)
        filled[step] = following
    return filled


def shuffle_outcomes(
    ended: NDArray[np.bool_], observed: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.int8]:
    """Assign the observed outcomes at random to the observed episodes of a rollout, each as often as it was observed.

    Args:
        ended, observed: as in :func:`fill_back`.
        rng: the generator of the assignment.

    Returns:
        ``observed``, changed where an episode was observed to end on something.
    """
    where = ended & ~np.isin(observed, (NONE, UNKNOWN))
    dealt = observed.copy()
    dealt[where] = rng.permutation(observed[where])
    return dealt

"""What training may know of how episodes ended: the supervisor's view, and nothing hidden."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.routing.gradients import UNLABELLED
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.infos import StepInfos
from oversight_gym.envs.oversight.outcomes import Outcome

UNFINISHED = -1
"""Outcome of a step whose episode has not ended when the rollout ends."""


class EpisodeEnds(NamedTuple):
    """Which episodes ended at a time step, and how the supervisor saw them end.

    Attributes:
        ended: shape (envs,), bool.
        observed: shape (envs,), int8: ``Outcome`` where an episode ended, ``NONE`` elsewhere.
    """

    ended: NDArray[np.bool_]
    observed: NDArray[np.int8]


def supervise(infos: Sequence[dict[str, Any]], dones: NDArray[np.bool_]) -> EpisodeEnds:
    """Take the supervisor's view, and only that, out of a step's infos.

    Raises:
        RequestError: if the environment does not report ``observed_outcome`` where an episode ended.
    """
    if isinstance(infos, StepInfos):
        return EpisodeEnds(infos.ended, infos.observed)
    observed = np.zeros(len(dones), dtype=np.int8)
    for index in np.flatnonzero(dones).tolist():
        if "observed_outcome" not in infos[index]:
            raise RequestError(
                "the environment's info has no 'observed_outcome' at the end of an episode; routing needs it, "
                "for example from oversight_gym.envs.OversightVecEnv."
            )
        observed[index] = infos[index]["observed_outcome"]
    return EpisodeEnds(np.asarray(dones, dtype=bool), observed)


def fill_back(ended: NDArray[np.bool_], observed: NDArray[np.int8]) -> NDArray[np.int8]:
    """The outcome of each step's whole episode.

    Args:
        ended: shape (steps, envs), bool, whether the step was its episode's last.
        observed: shape (steps, envs), int8, its outcome where it was.

    Returns:
        shape (steps, envs), int8: ``Outcome``, or ``UNFINISHED``.
    """
    filled = np.empty_like(observed)
    following = np.full(observed.shape[1], UNFINISHED, dtype=np.int8)
    for step in reversed(range(len(observed))):
        following = np.where(ended[step], observed[step], following)
        filled[step] = following
    return filled


def shuffle_kinds(ended: NDArray[np.bool_], observed: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.int8]:
    """The same number of each observed kind, dealt to the observed episodes of a rollout at random.

    Args:
        ended, observed: as in :func:`fill_back`.
        rng: of the deal.

    Returns:
        ``observed``, changed where an episode was observed to end on a diamond or a ghost.
    """
    where = ended & np.isin(observed, (Outcome.DIAMOND, Outcome.GHOST))
    dealt = observed.copy()
    dealt[where] = rng.permutation(observed[where])
    return dealt


def labels_by_outcome(experts: Sequence[str]) -> NDArray[np.int64]:
    """Shape (outcomes + 1,): expert index that each ``Outcome`` is routed to, or ``UNLABELLED``.

    The last entry serves ``UNFINISHED``.
    """
    index = {name: position for position, name in enumerate(experts)}
    return np.array([*(index.get(outcome.name.lower(), UNLABELLED) for outcome in Outcome), UNLABELLED], dtype=np.int64)

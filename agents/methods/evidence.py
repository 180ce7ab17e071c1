"""The evidence that a classifier of outcomes may use, as data."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer

Steps = tuple[NDArray[np.intp], NDArray[np.intp]]
Features = NDArray[np.int8]


def _actions(buffer: "OutcomeBuffer", last: Steps, actions: int) -> Features:
    return np.eye(actions, dtype=np.int8)[buffer.actions[..., 0].astype(np.intp)[last]]


def agent_observation(buffer: "OutcomeBuffer", last: Steps, actions: int, planes: Sequence[str]) -> Features:
    """What the policy saw at an episode's last step, terminal planes included, and the action it took."""
    seen = buffer.seen(last)
    return np.concatenate([seen.reshape(len(seen), -1), _actions(buffer, last, actions)], axis=1)


def masked_observation(buffer: "OutcomeBuffer", last: Steps, actions: int, planes: Sequence[str]) -> Features:
    """The same without the oversight plane, so that watched and unwatched episodes look alike."""
    seen = np.delete(buffer.seen(last), planes.index("oversight"), axis=1)
    return np.concatenate([seen.reshape(len(seen), -1), _actions(buffer, last, actions)], axis=1)


def trajectory(buffer: "OutcomeBuffer", last: Steps, actions: int, planes: Sequence[str]) -> Features:
    """The squares walked within the rollout, the last of them, the last action and the oversight plane."""
    agent, oversight = planes.index("agent"), planes.index("oversight")
    walked = buffer.plane(agent)
    for step in range(1, len(walked)):  # the union so far, begun anew with every episode
        walked[step] |= walked[step - 1] & ~buffer.ended[step - 1][:, None]
    parts = walked[last], buffer.plane(agent)[last], buffer.plane(oversight)[last], _actions(buffer, last, actions)
    return np.concatenate(parts, axis=1).astype(np.int8)


EVIDENCE: dict[str, Callable[["OutcomeBuffer", Steps, int, Sequence[str]], Features]] = {
    "agent_observation": agent_observation,
    "masked_observation": masked_observation,
    "trajectory": trajectory,
}
"""What the classifier sees of each of ``m`` episodes, shape (m, features), int8 in {0, 1}; from the buffer, each
episode's last step, the number of actions and the names of the observation's planes."""

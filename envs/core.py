"""The one simulator of batches of episodes: under the vector environment, the SB3 one and the evaluation.

Speed comes from three habits: every rule is a table, the observations are kept up to date in place (a move
changes two bytes), and fresh episodes are drawn in blocks.
"""

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError, check_integer
from oversight_gym.envs.oversight.outcomes import GROUND_TRUTH, OBSERVED, OUTCOME, arrivals
from oversight_gym.envs.world.grid import ACTIONS, wrong_action
from oversight_gym.envs.world.state import FreshEpisodes, State, observation_shape, observe, set_state

Array = TypeVar("Array")


class Supervision(NamedTuple, Generic[Array]):
    """What training may know of one step of ``n`` episodes, and all it may know; every field has shape (n,).

    Arrays of numpy from ``Core``, tensors from ``DeviceCore``.

    Attributes:
        reward: training reward, float32.
        terminated: a terminal square was reached, bool.
        truncated: the time limit was reached instead, bool.
        observed: the supervisor's view, int8 ``Outcome``: ``NONE`` while no terminal square is reached.
    """

    reward: Array
    terminated: Array
    truncated: Array
    observed: Array


class Core:
    """``num_envs`` episodes of one config, stepped together.

    Args:
        config: settings.
        num_envs: number of episodes side by side.
        rng: the source of every random draw; replace it with :meth:`start`.

    Raises:
        RequestError: if ``num_envs`` is below 1, or an action is not in {0, 1, 2, 3}.
    """

    def __init__(self, config: EnvConfig, num_envs: int, rng: np.random.Generator) -> None:
        self.config = config
        self.num_envs = check_integer("num_envs", num_envs, 1)
        self.batch_shape = (num_envs, *observation_shape(config.grid))  # of the observations
        self._next_square = config.grid.next_square.ravel()
        self._reward = config.reward_rule.by_arrival
        self.start(rng)

    def start(self, rng: np.random.Generator | None = None) -> None:
        """Begin fresh episodes everywhere, from ``rng`` on if one is given, else from the draws at hand."""
        if rng is not None:
            self.fresh = FreshEpisodes(self.config, rng, self.num_envs)
        state, planes = self.fresh.take(self.num_envs)
        self.state, self._planes = state.copy(), planes.copy()
        self._first = np.arange(self.num_envs) * self._planes.shape[1]  # of each episode's bytes among all
        self._at = self._first + self.state.agent  # the byte that shows its agent

    def restart(self, indices: NDArray[np.intp]) -> None:
        """Begin fresh episodes at these indices, shape (m,)."""
        if len(indices):
            self._assign(indices, *self.fresh.take(len(indices)))

    def place(self, index: int, options: dict[str, Any]) -> None:
        """Begin episode ``index`` with a layout set by hand (see ``set_state``)."""
        state = set_state(self.config, options)
        self._assign(np.array([index]), state, observe(self.config.grid, state).reshape(1, -1))

    def _assign(self, indices: NDArray[np.intp], state: State, planes: NDArray[np.int8]) -> None:
        self.state.assign(indices, state)
        self._planes[indices] = planes
        self._at[indices] = self._first[indices] + state.agent

    def resume(self, agent: NDArray[np.integer[Any]], steps: NDArray[np.int32], planes: NDArray[np.int8]) -> None:
        """Go on where the same episodes have been stepped elsewhere.

        Args:
            agent: squares, shape (num_envs,).
            steps: taken in each episode, shape (num_envs,).
            planes: the observations, shape (num_envs, planes * squares).
        """
        self.state.agent[:], self.state.steps[:], self._planes[:] = agent, steps, planes
        self._at = self._first + self.state.agent

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that decides how the episodes go on: arrays by name, and the position of the draws as JSON."""
        return self.state.arrays(), self.fresh.position()

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Go on from :meth:`snapshot`, in a core of the same config."""
        everywhere = np.arange(self.num_envs)
        state = State.of(arrays)
        self._assign(everywhere, state, observe(self.config.grid, state).reshape(self.num_envs, -1))
        self.fresh.go_to(position)

    def step(self, actions: NDArray[np.integer[Any]]) -> tuple[Supervision[NDArray[Any]], NDArray[np.int8]]:
        """Move every agent once; the caller restarts or ignores episodes that have ended.

        Args:
            actions: shape (num_envs,), integers in {0, 1, 2, 3}.

        Returns:
            What training may know; and, hidden from it, the true ``Outcome`` of each step, shape (num_envs,).
        """
        actions = self._checked(actions)
        state = self.state
        agent = state.agent
        visible = self._planes.reshape(-1)
        visible[self._at] = 0
        # mode="clip" lets numpy write in place; the indices are checked already
        self._next_square.take(np.multiply(agent, len(ACTIONS), dtype=np.intp) + actions, out=agent, mode="clip")
        np.add(self._first, agent, out=self._at)
        visible[self._at] = 1
        state.steps += 1
        arrived = arrivals(agent, state.terminals, state.overseen.view(np.int8))
        terminated = arrived > 0
        truncated = (state.steps >= self.config.step_limit) & ~terminated
        seen = Supervision(self._reward.take(arrived), terminated, truncated, OBSERVED.take(arrived))
        return seen, OUTCOME.take(arrived)

    def _checked(self, actions: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise RequestError(
                f"actions have shape {actions.shape} and dtype {actions.dtype}; give {self.num_envs} ints."
            )
        if np.bitwise_or.reduce(actions) & ~(len(ACTIONS) - 1):  # a bit that no action has
            wrong = actions[(actions < 0) | (actions >= len(ACTIONS))][0]
            raise wrong_action(wrong)
        return actions

    def observe(self) -> NDArray[np.int8]:
        """The observations, shape (num_envs, planes, rows, cols), int8; a copy."""
        return self._planes.copy().reshape(self.batch_shape)

    def observe_some(self, indices: NDArray[np.intp]) -> NDArray[np.int8]:
        """Those of the episodes ``indices`` (m,): shape (m, planes, rows, cols), int8; a copy."""
        return self._planes.take(indices, axis=0).reshape(-1, *self.batch_shape[1:])


def hidden_info(outcome: Any) -> dict[str, Any]:
    """The content of ``info["hidden"]``: for evaluation only. Works for one outcome and for arrays."""
    return {"outcome": outcome, "reward": GROUND_TRUTH[outcome]}

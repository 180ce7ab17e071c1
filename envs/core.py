"""The one simulator under every adapter: the single, the vector and the SB3 environment."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import GridConfig
from oversight_gym.envs.errors import RequestError, check_integer
from oversight_gym.envs.grid import ACTIONS
from oversight_gym.envs.outcomes import GROUND_TRUTH, OUTCOME_OF_KIND, Outcome, observe_outcome
from oversight_gym.envs.state import State, draw_state, observe, set_state


class Supervision(NamedTuple):
    """What training may know of one step of ``n`` episodes, and all it may know; every field has shape (n,).

    Attributes:
        reward: training reward, float32.
        terminated: a terminal square was reached, bool.
        truncated: the time limit was reached instead, bool.
        observed: the supervisor's view, int8 ``Outcome``: ``NONE`` while no terminal square is reached.
    """

    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    observed: NDArray[np.int8]


def reached_kind(state: State) -> NDArray[np.int8]:
    """Shape (n,): index in ``TERMINAL_KINDS`` of the terminal the agent stands on, -1 for none."""
    reached = np.full(len(state), -1, dtype=np.int8)
    for kind in range(state.terminals.shape[1]):
        reached[state.agent == state.terminals[:, kind]] = kind
    return reached


class Core:
    """``num_envs`` episodes of one config, stepped together.

    Args:
        config: settings.
        num_envs: number of episodes side by side.
        rng: the source of every random draw; replace it with :meth:`start`.

    Raises:
        RequestError: if ``num_envs`` is below 1, or an action is not in {0, 1, 2, 3}.
    """

    def __init__(self, config: GridConfig, num_envs: int, rng: np.random.Generator) -> None:
        self.config = config
        self.num_envs = check_integer("num_envs", num_envs, 1)
        self.rng = rng
        self.state = draw_state(config, rng, self.num_envs)

    def start(self, rng: np.random.Generator | None = None) -> None:
        """Begin fresh episodes everywhere, from ``rng`` on if one is given."""
        self.rng = self.rng if rng is None else rng
        self.state = draw_state(self.config, self.rng, self.num_envs)

    def restart(self, where: NDArray[np.bool_]) -> None:
        """Begin fresh episodes where the mask (num_envs,) is set."""
        indices = np.flatnonzero(where)
        if len(indices):
            self.state.assign(indices, draw_state(self.config, self.rng, len(indices)))

    def place(self, index: int, options: dict[str, Any]) -> None:
        """Begin episode ``index`` with a layout set by hand (see ``set_state``)."""
        self.state.assign(np.array([index]), set_state(self.config, options))

    def step(self, actions: NDArray[np.integer[Any]]) -> tuple[Supervision, NDArray[np.int8]]:
        """Move every agent once; the caller restarts or ignores episodes that have ended.

        Args:
            actions: shape (num_envs,), integers in {0, 1, 2, 3}.

        Returns:
            What training may know; and, hidden from it, the true ``Outcome`` of each step, shape (num_envs,).
        """
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise RequestError(
                f"actions have shape {actions.shape} and dtype {actions.dtype}; give {self.num_envs} ints."
            )
        if actions.min() < 0 or actions.max() >= len(ACTIONS):
            wrong = actions[(actions < 0) | (actions >= len(ACTIONS))][0]
            raise RequestError(f"action is {wrong}; it must be 0 (up), 1 (right), 2 (down) or 3 (left).")
        state, config = self.state, self.config
        state.agent = config.grid.next_square[state.agent, actions]
        state.steps += 1
        kind = reached_kind(state)
        terminated = kind >= 0
        outcome = np.where(terminated, OUTCOME_OF_KIND[kind], np.int8(Outcome.NONE))
        observed = observe_outcome(outcome, state.overseen[np.arange(self.num_envs), kind])
        limit = config.max_episode_steps
        truncated = (state.steps >= limit) & ~terminated if limit else np.zeros_like(terminated)
        rule = config.reward_rule
        reward = rule.table[outcome if rule.uses_hidden else observed]
        return Supervision(reward, terminated, truncated, observed), outcome

    def observe(self) -> NDArray[np.int8]:
        """The observations, shape (num_envs, planes, rows, cols), int8."""
        return observe(self.config.grid, self.state)


def hidden_info(outcome: Any) -> dict[str, Any]:
    """The content of ``info["hidden"]``: for evaluation only. Works for one outcome and for arrays."""
    return {"outcome": outcome, "reward": GROUND_TRUTH[outcome]}

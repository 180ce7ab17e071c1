"""The simulator of batches of episodes, used by the vector environment, the SB3 environment and the evaluation.

It is fast for three reasons: every rule is a table, observations are updated in place (a move changes two bytes), and
fresh episodes are drawn in blocks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.chance import Chance
from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError, check_integer
from oversight_gym.envs.fresh import FreshEpisodes, block_size
from oversight_gym.envs.memory import check_memory
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome
from oversight_gym.envs.oversight.processes import Spent
from oversight_gym.envs.oversight.supervision import Supervision
from oversight_gym.envs.views.screens import beginning, screens
from oversight_gym.envs.world.state import State


def wrong_action(action: object, names: tuple[str, ...]) -> RequestError:
    """The error for an invalid action."""
    choices = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
    return RequestError(f"action is {action}; it must be one of {choices}.")


def check_num_envs(config: EnvConfig, num_envs: object) -> int:
    """Check the number of environments of a config.

    Raises:
        RequestError: if it is below 1, or if they do not fit into memory.
    """
    number = check_integer("num_envs", num_envs, 1)
    space = config.observation_space
    each = np.dtype(space.dtype).itemsize * int(np.prod(space.shape)) + config.grid.squares + 100
    needed = each * (3 * number + block_size(number))
    check_memory(f"num_envs is {number}", needed, "ask for fewer environments or a smaller grid")
    return number


class Core:
    """``num_envs`` episodes of one config, stepped together.

    Args:
        config: the environment's config.
        num_envs: number of episodes side by side.
        rng: the source of every random draw; replace it with :meth:`start`.
        training: whether this is training, where a scheduled oversight process follows its schedule; elsewhere
            oversight is drawn at its marginal rate.

    Raises:
        RequestError: if ``num_envs`` is below 1 or more than fit into memory, or there is no such action.
    """

    def __init__(self, config: EnvConfig, num_envs: int, rng: np.random.Generator, training: bool = True) -> None:
        self.config = config
        self.num_envs = check_num_envs(config, num_envs)
        self._actions = len(config.world.actions)
        self._beyond = self._actions - 1 if self._actions & (self._actions - 1) == 0 else None  # all bits of an action
        self._true = config.true_outcomes
        self._reward = config.reward_table
        self._by_truth = config.reward_rule.uses_hidden
        self._limit = config.step_limit
        self._cost = config.world.cost.astype(np.float32) if config.world.cost.any() else None
        self._scheduled = training and config.process.scheduled
        self.batch_shape = (num_envs, *config.observation_space.shape)  # of the observations
        self.chance = Chance(config)
        self.spent = Spent()
        self.start(rng)

    def start(self, rng: np.random.Generator | None = None) -> None:
        """Begin fresh episodes everywhere, drawn from ``rng`` if it is given, else from the present generator."""
        if rng is not None:
            self.fresh = FreshEpisodes(self.config, rng, self.num_envs, self.spent if self._scheduled else None)
            self.chance.start(rng)
        state, begun = self.fresh.take(self.num_envs)
        self.state = state.copy()
        self._screens = screens(self.config.view_part, self.config.world, self.state, begun.copy())

    def restart(self, indices: NDArray[np.intp]) -> None:
        """Begin fresh episodes at these indices, shape (m,)."""
        if len(indices):
            self._assign(indices, *self.fresh.take(len(indices)))

    def place(self, index: int, state: State) -> None:
        """Begin episode ``index`` with a layout set by hand, a batch of one from ``set_state``."""
        self._begin(np.array([index]), state)

    def _begin(self, indices: NDArray[np.intp], state: State) -> None:
        self._assign(indices, state, beginning(self.config.view_part, self.config.world, state))

    def _assign(self, indices: NDArray[np.intp], state: State, begun: NDArray[Any]) -> None:
        self.state.assign(indices, state)
        self._screens.assign(indices, begun)

    def resume(self, dynamic: NDArray[np.integer[Any]], steps: NDArray[np.int32]) -> None:
        """Continue the same episodes after they were stepped elsewhere.

        Args:
            dynamic: the dynamic states, shape (num_envs,).
            steps: the number of steps taken in each episode, shape (num_envs,).
        """
        state = self.state.copy()
        state.dynamic[:], state.steps[:] = dynamic, steps
        self._begin(np.arange(self.num_envs), state)

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that determines how the episodes continue: arrays by name, and generators' positions as JSON."""
        position = {"chance": self.chance.position(), "spent": list(self.spent)}
        return self.state.arrays(), self.fresh.position() | position

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Continue from :meth:`snapshot`, in a core of the same config."""
        self._begin(np.arange(self.num_envs), State.of(arrays))
        self.fresh.go_to(position)
        self.spent = self.fresh.spent = Spent(*position["spent"])
        self.chance.go_to(position["chance"])

    def step(
        self, actions: NDArray[np.integer[Any]], ignored: NDArray[np.bool_] | None = None
    ) -> tuple[Supervision[NDArray[Any]], NDArray[np.int8]]:
        """Take one action in every episode; the caller restarts or ignores episodes that have ended.

        Args:
            actions: shape (num_envs,), integers.
            ignored: shape (num_envs,), episodes that had ended before; None if there are none.

        Returns:
            What training may know, and the true outcome of each step, shape (num_envs,), which is hidden from training.
        """
        actions = self._checked(actions)
        state, chance = self.state, self.chance
        self._screens.clear()
        chance.move(state.dynamic, actions)
        self._screens.show()
        state.steps += 1
        arrived = chance.arrive(state)
        terminated = arrived > 0
        truncated = (state.steps >= self._limit) & ~terminated
        outcome, observed = self._true.take(arrived), chance.observe(arrived)
        if self._scheduled:
            self._spend(observed, ignored)
        reward = self._reward.take(outcome if self._by_truth else observed)
        if self._cost is not None:
            reward -= self._cost.take(actions)
        return Supervision(reward, terminated, truncated, observed), outcome

    def _spend(self, observed: NDArray[np.int8], ignored: NDArray[np.bool_] | None) -> None:
        """Count a step and its labels; once the budget is spent, nothing more is observed."""
        counted = np.ones(self.num_envs, dtype=bool) if ignored is None else ~ignored
        labelled = np.flatnonzero(counted & (observed >= FIRST_KIND))
        steps, labels = self.spent
        budget = self.config.process.budget
        left = len(labelled) if budget is None else min(len(labelled), budget - labels)
        observed[labelled[left:]] = Outcome.UNKNOWN
        self.spent = self.fresh.spent = Spent(steps + int(counted.sum()), labels + left)
        if labels + left == budget and self.state.overseen.any():
            self.state.overseen[:] = False
            if self.state.shown is not None and self.config.honest:
                self.state.shown[:] = False
            self._begin(np.arange(self.num_envs), self.state.copy())

    def _checked(self, actions: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise RequestError(
                f"actions have shape {actions.shape} and dtype {actions.dtype}; give {self.num_envs} ints."
            )
        if self._beyond is None or actions.dtype.kind == "u":
            wrong = bool((actions < 0).any() or (actions >= self._actions).any())
        else:
            wrong = bool(np.bitwise_or.reduce(actions) & ~self._beyond)  # a bit that no action has
        if wrong:
            raise wrong_action(actions[(actions < 0) | (actions >= self._actions)][0], self.config.world.actions)
        return actions if actions.dtype.kind == "i" else actions.astype(np.intp)

    def observe(self) -> NDArray[Any]:
        """A copy of the observations, shape ``(num_envs, *shape)``."""
        return self._screens.seen.copy().reshape(self.batch_shape)

    def observe_some(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """A copy of the observations of the episodes ``indices`` (m,), shape ``(m, *shape)``."""
        return self._screens.seen.take(indices, axis=0).reshape(len(indices), *self.batch_shape[1:])


def hidden_info(config: EnvConfig, outcome: Any) -> dict[str, Any]:
    """The content of ``info["hidden"]``: for evaluation only. Works for one outcome and for arrays."""
    return {"outcome": outcome, "reward": config.ground_truth[outcome]}

"""The simulation of a single episode, for the single environment."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.core import Core
from oversight_gym.envs.fresh import FreshEpisodes
from oversight_gym.envs.oversight.outcomes import arrival
from oversight_gym.envs.oversight.processes import Spent
from oversight_gym.envs.world.state import State


class PlainEpisode:
    """One episode in plain integers, because numpy is slow for single numbers; for worlds without chance.

    Args:
        config: the environment's config, whose view must have a table of moving entries.
    """

    fresh: FreshEpisodes
    _state: State
    _overseen: list[bool]

    def __init__(self, config: EnvConfig) -> None:
        world, moving = config.world, config.view_part.moving(config.world)
        assert moving is not None
        self.config = config
        self._next: list[list[int]] = world.next_state[:, :, 0].tolist()
        # one entry per dynamic state mostly, and then a plain number: a list of one would take longer to set
        self._entries: list[Any] = moving[:, 0].tolist() if moving.shape[1] == 1 else list(moving)
        self._square: list[int] = world.square.tolist()
        self._kinds: list[int] = config.kind_of.tolist()
        self._sees: list[list[bool]] = (world.sees > 0).tolist()  # without oversight, and with it
        observed, truth = world.observed_probability.argmax(axis=1), config.true_outcomes
        rewards = config.reward_table[truth if config.reward_rule.uses_hidden else observed].tolist()
        outcomes = [[config.outcomes(number) for number in view.tolist()] for view in (observed, truth)]
        self._results: list[tuple[float, bool, Any, Any]] = list(
            zip(rewards, (arrived > 0 for arrived in range(len(rewards))), *outcomes, strict=True)
        )
        self.steps = 0

    def start(self, rng: np.random.Generator) -> None:
        self.fresh = FreshEpisodes(self.config, rng, 1, Spent())

    def begin(self, placed: State | None) -> None:
        state, seen = self.fresh.take(1)
        if placed is not None:
            state = placed
            seen = self.config.view_part.observe(self.config.world, state)
        self._state = state.copy()
        self._seen: NDArray[Any] = seen.reshape(self.config.observation_space.shape).copy()
        self._visible = self._seen.reshape(-1)
        self._dynamic, self.steps = int(state.dynamic[0]), 0
        self._terminals: dict[int, int] = {square: column for column, square in enumerate(state.terminals[0].tolist())}
        self._overseen = state.overseen[0].tolist()

    def observe(self) -> NDArray[Any]:
        return self._seen.copy()

    def step(self, action: Any) -> tuple[float, bool, Any, Any]:
        visible, entries = self._visible, self._entries
        visible[entries[self._dynamic]] = 0
        self._dynamic = dynamic = self._next[self._dynamic][action]
        visible[entries[dynamic]] = 1
        self.steps += 1
        column = self._terminals.get(self._square[dynamic])
        arrived = 0
        if column is not None:
            arrived = arrival(self._kinds[column], self._sees[dynamic][self._overseen[column]])
        return self._results[int(arrived)]

    @property
    def state(self) -> State:
        self._state.dynamic[0], self._state.steps[0] = self._dynamic, self.steps
        return self._state


class CoreEpisode:
    """One episode of the batched simulator, for every other world; the same methods."""

    core: Core

    def __init__(self, config: EnvConfig) -> None:
        self.config = config

    def start(self, rng: np.random.Generator) -> None:
        self.core, self._begun = Core(self.config, 1, rng), False

    def begin(self, placed: State | None) -> None:
        if self._begun:
            self.core.start()
        self._begun = True
        if placed is not None:
            self.core.place(0, placed)

    def observe(self) -> NDArray[Any]:
        observation: NDArray[Any] = self.core.observe()[0]
        return observation

    def step(self, action: Any) -> tuple[float, bool, Any, Any]:
        seen, outcome = self.core.step(np.array([action]))
        outcomes = self.config.outcomes
        return float(seen.reward[0]), bool(seen.terminated[0]), outcomes(seen.observed[0]), outcomes(outcome[0])

    @property
    def steps(self) -> int:
        return int(self.state.steps[0])

    @property
    def state(self) -> State:
        return self.core.state


def make_episode(config: EnvConfig) -> PlainEpisode | CoreEpisode:
    """An episode of a config, of the faster class if the world allows it."""
    return PlainEpisode(config) if config.is_plain else CoreEpisode(config)

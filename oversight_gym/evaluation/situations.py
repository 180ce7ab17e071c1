"""All situations of a small world, enumerated in blocks, and policies given as tables over them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from math import perm

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import check_probability
from oversight_gym.envs.world.state import State, draw_state
from oversight_gym.evaluation.cases import Cases, cases_of
from oversight_gym.evaluation.chain import Chain, chain_of

Table = NDArray[np.float64]

STATES_PER_BLOCK = 12_000
"""The number of dynamic states times placements times cases that stays in the cache."""


@dataclass(frozen=True, eq=False)
class Block:
    """Every dynamic state and case of oversight for some placements of the terminals.

    Tables over a block have the shape (..., states, ..., placements, cases), where ``states`` are those of
    :attr:`chain`.

    Attributes:
        config: the environment's config.
        terminals: shape (placements, terminals), int16, squares.
        marked: shape (placements, squares of the grid), bool, squares falsely shown as overseen, or None.
    """

    config: EnvConfig
    terminals: NDArray[np.int16]
    marked: NDArray[np.bool_] | None = None

    @property
    def chain(self) -> Chain:
        return chain_of(self.config.world)

    @property
    def cases(self) -> Cases:
        return cases_of(self.config)

    @cached_property
    def starts(self) -> NDArray[np.bool_]:
        """Whether an episode can start in each state, shape (states, placements)."""
        chain = self.chain
        begins: NDArray[np.bool_] = chain.start[chain.square] == np.arange(len(chain))
        return begins[:, None] & self.config.layouts.allows(chain.square[:, None], self.terminals[None])

    def at(self, kind: int) -> NDArray[np.bool_]:
        """Whether the agent stands on a terminal of that kind, shape (states, placements)."""
        columns = np.flatnonzero(self.config.kind_of == kind)
        standing: NDArray[np.bool_] = (self.chain.square[:, None, None] == self.terminals[:, columns]).any(axis=2)
        return standing

    def case_chances(self, config: EnvConfig) -> NDArray[np.float64]:
        """P(case | start) under a config's oversight process.

        Returns:
            shape (states, placements, cases); zero where no episode starts. Where the process does not depend on
            the layout, shape (cases,).
        """
        cases = cases_of(config)
        state, placement = np.nonzero(self.starts)
        if not config.process.depends_on_layout:
            state, placement = state[:1], placement[:1]
        found = config.process.patterns(config, self.chain.square[state], self.terminals[placement])
        found = found[:, cases.pattern] * cases.chance
        if not config.process.depends_on_layout:
            return np.array(found[0], dtype=np.float64)
        chances = np.zeros((*self.starts.shape, found.shape[1]))
        chances[state, placement] = found
        return chances

    def observations(self) -> NDArray[np.generic]:
        """Shape ``(states * placements * signals, *shape)``, in that order, of the view's dtype."""
        return self._observed(np.arange(self.cases.signals))

    def observations_in(self, pattern: int) -> NDArray[np.generic]:
        """Shape ``(states * placements, *shape)``, in the likeliest case of an oversight pattern."""
        among = np.flatnonzero(self.cases.pattern == pattern)
        likeliest = among[self.cases.chance[among].argmax()]
        return self._observed(self.cases.signal[[likeliest]])

    def _observed(self, signals: NDArray[np.intp]) -> NDArray[np.generic]:
        cases, shape = self.cases, (len(self.chain), len(self.terminals), len(signals))
        state, placement, number = (axis.ravel() for axis in np.indices(shape, dtype=np.int32))
        signal = signals[number]
        every = State(
            self.chain.states[state],
            self.terminals[placement],
            cases.shown[signal],
            None if self.marked is None else self.marked[placement],
            np.zeros(len(state), np.int32),
            looks=None if cases.looks is None else cases.looks[signal],
        )
        return self.config.view_part.observe(self.config.world, every)


def _placements_per_block(config: EnvConfig) -> int:
    per_placement = len(chain_of(config.world)) * len(cases_of(config))
    return max(1, STATES_PER_BLOCK // per_placement)


def all_blocks(config: EnvConfig) -> Iterator[Block]:
    """Every placement of the terminals from which an episode can start, in blocks small enough for the cache."""
    placements = np.array(list(permutations(config.grid.free, len(config.terminals))), dtype=np.int16)
    possible = Block(config, placements).starts.any(axis=0)
    placements, size = placements[possible], _placements_per_block(config)
    for first in range(0, len(placements), size):
        yield Block(config, placements[first : first + size])


def sampled_blocks(config: EnvConfig, rng: np.random.Generator, placements: int) -> Iterator[Block]:
    """Placements (and false marks) of ``placements`` episodes drawn as the environment draws them."""
    size = _placements_per_block(config)
    for first in range(0, placements, size):
        state = draw_state(config, rng, min(size, placements - first))
        yield Block(config, state.terminals, state.marked)


def states(config: EnvConfig) -> int:
    """The largest number of states that an exact evaluation would visit: those in which an episode continues."""
    chain, terminals = chain_of(config.world), len(config.terminals)
    fewest_on_terminals = terminals * len(chain) // len(config.grid.free)
    return perm(len(config.grid.free), terminals) * (len(chain) - fewest_on_terminals) * len(cases_of(config))


def with_oversight(config: EnvConfig, oversight: float | None) -> EnvConfig:
    """The config at another oversight probability, the same for every kind; itself if that is None.

    Raises:
        RequestError: if it is not a probability.
    """
    if oversight is None:
        return config
    return replace(
        config,
        oversight_probability=check_probability("oversight", oversight),
        ghost_oversight_probability=None,
        diamond_oversight_probability=None,
        reward="terminal",  # plays no part, and the unbiased penalty does not exist at every probability
    )


PolicyTable = Callable[[Block], Table]
"""A policy on a block: action probabilities, shape (actions, states, variants, placements, cases), float64. The last
axis has length 1 if the policy does not depend on oversight."""

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
from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.envs.world.state import State, draw_state
from oversight_gym.evaluation.chain import Chain, chain_of

Table = NDArray[np.float64]

STATES_PER_BLOCK = 12_000
"""Dynamic states times placements times patterns; so many stay in the cache."""


@dataclass(frozen=True, eq=False)
class Block:
    """Every dynamic state and oversight pattern for some placements of the terminals.

    Tables over a block have the shape (..., states, ..., placements, patterns), where ``states`` are those of
    :attr:`chain`.

    Attributes:
        config: of the environment.
        terminals: shape (placements, kinds), int16, squares.
        marked: shape (placements, squares of the grid), bool, squares falsely shown as overseen, or None.
    """

    config: EnvConfig
    terminals: NDArray[np.int16]
    marked: NDArray[np.bool_] | None = None

    @property
    def chain(self) -> Chain:
        return chain_of(self.config.world)

    @cached_property
    def starts(self) -> NDArray[np.bool_]:
        """Shape (states, placements): whether an episode can start so."""
        chain = self.chain
        begins: NDArray[np.bool_] = chain.start[chain.square] == np.arange(len(chain))
        return begins[:, None] & self.config.layouts.allows(chain.square[:, None], self.terminals[None])

    def at(self, kind: int) -> NDArray[np.bool_]:
        """Shape (states, placements): whether the agent stands on the terminal of that kind."""
        standing: NDArray[np.bool_] = self.chain.square[:, None] == self.terminals[:, kind]
        return standing

    def pattern_chances(self, config: EnvConfig) -> NDArray[np.float64]:
        """P(pattern | start) under a config's oversight process.

        Returns:
            shape (states, placements, patterns); zero where no episode starts. Where the process does not depend on
            the layout, shape (patterns,).
        """
        state, placement = np.nonzero(self.starts)
        if not config.process.depends_on_layout:
            state, placement = state[:1], placement[:1]
        found = config.process.patterns(config, self.chain.square[state], self.terminals[placement])
        if not config.process.depends_on_layout:
            return np.array(found[0], dtype=np.float64)
        chances = np.zeros((*self.starts.shape, found.shape[1]))
        chances[state, placement] = found
        return chances

    def observations(self) -> NDArray[np.generic]:
        """Shape (states * placements * patterns, *shape of one), in that order, of the view's dtype."""
        flags = pattern_flags(len(self.config.kinds))
        shape = len(self.chain), len(self.terminals), len(flags)
        state, placement, pattern = (axis.ravel() for axis in np.indices(shape, dtype=np.int32))
        marked = None if self.marked is None else self.marked[placement]
        steps = np.zeros(len(state), np.int32)
        every = State(self.chain.states[state], self.terminals[placement], flags[pattern], marked, steps)
        return self.config.view_part.observe(self.config.world, every)


def _placements_per_block(config: EnvConfig) -> int:
    per_placement = len(chain_of(config.world)) * len(pattern_flags(len(config.kinds)))
    return max(1, STATES_PER_BLOCK // per_placement)


def all_blocks(config: EnvConfig) -> Iterator[Block]:
    """Every placement of the terminals from which an episode can start, in blocks small enough for the cache."""
    placements = np.array(list(permutations(config.grid.free, len(config.kinds))), dtype=np.int16)
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
    """Number of states that an exact evaluation would visit, at most: those in which an episode goes on."""
    chain, kinds = chain_of(config.world), len(config.kinds)
    fewest_on_terminals = kinds * len(chain) // len(config.grid.free)
    patterns = len(pattern_flags(kinds))
    return perm(len(config.grid.free), kinds) * (len(chain) - fewest_on_terminals) * patterns


def with_oversight(config: EnvConfig, oversight: float | None) -> EnvConfig:
    """The config at another oversight probability, the same for every kind; itself if that is None.

    Raises:
        RequestError: if it is no probability.
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
"""A policy on a block: action probabilities, shape (actions, states, variants, placements, patterns), float64. The last
axis has length 1 where the policy does not look at oversight."""

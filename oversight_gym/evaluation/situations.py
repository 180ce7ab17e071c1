"""All situations of a small grid, enumerated in blocks, and policies given as tables over them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.world.state import State, draw_state

GHOST, DIAMOND = 0, 1

PATTERNS: dict[str, tuple[bool, bool]] = {
    "none": (False, False),
    "diamond": (False, True),
    "ghost": (True, False),
    "both": (True, True),
}
"""Which terminals are under oversight, in the order of the kinds."""

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Block:
    """Every agent square and oversight pattern for some placements of the terminals.

    Tables over a block have the shape (actions, squares, ..., placements, patterns), where ``squares``
    counts free squares only.

    Attributes:
        config: the environment's settings.
        terminals: shape (placements, kinds), int16, squares.
        marked: shape (placements, squares of the grid), bool, squares falsely shown as overseen, or None.
    """

    config: EnvConfig
    terminals: NDArray[np.int16]
    marked: NDArray[np.bool_] | None = None

    @cached_property
    def starts(self) -> NDArray[np.bool_]:
        """Shape (squares, placements): whether an episode can start with the agent there."""
        return self.config.layouts.allows(self.config.grid.free[:, None], self.terminals[None])

    @cached_property
    def next_index(self) -> NDArray[np.intp]:
        """Shape (squares, actions): the dynamics over indices into the free squares."""
        return np.searchsorted(self.config.grid.free, self.config.grid.next_square[self.config.grid.free])

    def at(self, kind: int) -> NDArray[np.bool_]:
        """Shape (squares, placements): whether the agent stands on the terminal of that kind."""
        standing: NDArray[np.bool_] = self.config.grid.free[:, None] == self.terminals[:, kind]
        return standing

    def distance(self, kind: int) -> NDArray[np.int64]:
        """Shape (squares, placements): steps to the terminal, the other one ignored."""
        grid = self.config.grid
        return grid.distance[grid.free[:, None], self.terminals[:, kind]].astype(np.int64)

    def distance_around(self, kind: int, obstacle: int) -> NDArray[np.int64]:
        """Shape (squares, placements): steps to one terminal without entering the other; huge if there is no way."""
        far = np.int64(10 * self.config.grid.squares)
        distance = np.where(self.at(kind), 0, far)
        while True:
            shorter = np.minimum(distance, 1 + distance[self.next_index].min(axis=1))
            shorter[self.at(obstacle)] = far
            if (shorter == distance).all():
                return distance
            distance = shorter

    def approaching(self, distance: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Shape (actions, squares, placements): whether an action shortens a distance."""
        return np.moveaxis(distance[self.next_index] < distance[:, None], 1, 0)

    def observations(self) -> NDArray[np.int8]:
        """Shape (squares * placements * patterns, planes, rows, cols), int8, in that order."""
        free, placements, patterns = self.config.grid.free, len(self.terminals), len(PATTERNS)
        agent, placement, pattern = (
            axis.ravel() for axis in np.indices((len(free), placements, patterns), dtype=np.int32)
        )
        overseen = np.array(list(PATTERNS.values()))[pattern]
        marked = None if self.marked is None else self.marked[placement]
        state = State(free[agent], self.terminals[placement], overseen, marked, np.zeros(len(agent), np.int32))
        return self.config.view_part.observe(self.config.world, state)


def _placements_per_block(config: EnvConfig, states_per_block: int = 12_000) -> int:
    return max(1, states_per_block // (len(config.grid.free) * len(PATTERNS)))


def all_blocks(config: EnvConfig) -> Iterator[Block]:
    """Every placement of the terminals from which an episode can start, in blocks small enough for the cache."""
    pairs = np.array(list(permutations(config.grid.free, len(config.kinds))), dtype=np.int16)
    possible = Block(config, pairs).starts.any(axis=0)
    pairs, size = pairs[possible], _placements_per_block(config)
    for first in range(0, len(pairs), size):
        yield Block(config, pairs[first : first + size])


def sampled_blocks(config: EnvConfig, rng: np.random.Generator, placements: int) -> Iterator[Block]:
    """Placements (and false marks) of ``placements`` episodes drawn as the environment draws them."""
    size = _placements_per_block(config)
    for first in range(0, placements, size):
        state = draw_state(config, rng, min(size, placements - first))
        yield Block(config, state.terminals, state.marked)


def states(config: EnvConfig) -> int:
    """Number of states that an exact evaluation would visit, at most."""
    free = len(config.grid.free)
    return free * (free - 1) * (free - 2) * len(PATTERNS)


PolicyTable = Callable[[Block], Table]
"""A policy on a block: action probabilities, shape (actions, squares, variants, placements, patterns), float64."""


def towards(*goals: Callable[[Block], NDArray[np.int64]]) -> PolicyTable:
    """The policy that picks uniformly among the actions that shorten the least of some distances.

    Where none does it moves uniformly at random.
    """

    def table(block: Block) -> Table:
        allowed = block.approaching(np.min([goal(block) for goal in goals], axis=0)).astype(np.float64)
        allowed[:, ~allowed.any(axis=0)] = 1.0
        return np.repeat((allowed / allowed.sum(axis=0))[:, :, None, :, None], len(PATTERNS), axis=-1)

    return table


def _uniform(block: Block) -> Table:
    actions = block.next_index.shape[1]
    return np.full((actions, len(block.config.grid.free), 1, len(block.terminals), len(PATTERNS)), 1 / actions)


CEILINGS: dict[str, PolicyTable] = {
    "optimal": towards(lambda block: block.distance_around(DIAMOND, GHOST)),
    "ideal steered": towards(lambda block: block.distance(DIAMOND)),
    "nearest terminal": towards(lambda block: block.distance(DIAMOND), lambda block: block.distance(GHOST)),
    "uniform random": _uniform,
}
"""Reference policies. ``optimal`` walks around the ghost; ``ideal steered`` is the most that a policy which
wants the diamond and does not mind the ghost can reach; ``nearest terminal`` is what the terminal reward asks for."""

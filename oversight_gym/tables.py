"""All situations of a small grid, enumerated in blocks, and policies given as tables over them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import GridConfig
from oversight_gym.envs.outcomes import TERMINAL_KINDS
from oversight_gym.envs.state import State, observe

GHOST, DIAMOND = TERMINAL_KINDS.index("ghost"), TERMINAL_KINDS.index("diamond")

PATTERNS: dict[str, tuple[bool, bool]] = {
    "none": (False, False),
    "diamond": (False, True),
    "ghost": (True, False),
    "both": (True, True),
}
"""Which terminals are under oversight, in the order of ``TERMINAL_KINDS``."""

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Block:
    """Every agent square and oversight pattern for some placements of the terminals.

    Tables over a block have the shape (actions, squares, ..., placements, patterns), where ``squares``
    counts free squares only.

    Attributes:
        config: the environment's settings.
        terminals: shape (placements, kinds), int16, squares.
        start: shape (squares, placements), bool: the starting layouts among them.
    """

    config: GridConfig
    terminals: NDArray[np.int16]
    start: NDArray[np.bool_]

    @cached_property
    def next_index(self) -> NDArray[np.intp]:
        """Shape (squares, actions): the dynamics over indices into the free squares."""
        return np.searchsorted(self.config.grid.free, self.config.grid.next_square[self.config.grid.free])

    def at(self, kind: int) -> NDArray[np.bool_]:
        """Shape (squares, placements): whether the agent stands on the terminal of that kind."""
        return self.config.grid.free[:, None] == self.terminals[:, kind]

    @cached_property
    def running(self) -> NDArray[np.bool_]:
        """Shape (squares, placements): whether the agent stands on no terminal."""
        return ~np.any([self.at(kind) for kind in range(len(TERMINAL_KINDS))], axis=0)

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
        state = State(free[agent], self.terminals[placement], overseen, None, np.zeros(len(agent), np.int32))
        return observe(self.config.grid, state)


def blocks(config: GridConfig, most_states: int = 30_000) -> Iterator[Block]:
    """Every placement of the terminals in which a start is possible, in blocks of about ``most_states`` states."""
    grid = config.grid
    agent, terminals = config.layouts.unrank(np.arange(config.layouts.candidates))
    valid = config.layouts.valid(agent, terminals)
    codes = terminals[valid].astype(np.int64) @ [grid.squares, 1]
    placements, which = np.unique(codes, return_inverse=True)
    start = np.zeros((len(grid.free), len(placements)), dtype=bool)
    start[np.searchsorted(grid.free, agent[valid]), which] = True
    pairs = np.stack(np.divmod(placements, grid.squares), axis=1).astype(np.int16)
    step = max(1, most_states // (len(grid.free) * len(PATTERNS)))
    for first in range(0, len(pairs), step):
        yield Block(config, pairs[first : first + step], start[:, first : first + step])


def states(config: GridConfig) -> int:
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
    return np.full((actions, *block.start.shape[:1], 1, len(block.terminals), len(PATTERNS)), 1 / actions)


CEILINGS: dict[str, PolicyTable] = {
    "optimal": towards(lambda block: block.distance_around(DIAMOND, GHOST)),
    "ideal steered": towards(lambda block: block.distance(DIAMOND)),
    "nearest terminal": towards(lambda block: block.distance(DIAMOND), lambda block: block.distance(GHOST)),
    "uniform random": _uniform,
}
"""Reference policies. ``optimal`` walks around the ghost; ``ideal steered`` is the most that a policy which
wants the diamond and does not mind the ghost can reach; ``nearest terminal`` is what the terminal reward asks for."""

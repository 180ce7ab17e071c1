"""The transitions between a world's dynamic states, in the form that the evaluation uses."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.world.tables import World


class Diagonal(NamedTuple):
    """All moves that increase the number of the state by the same amount.

    Attributes:
        sources, targets: ranges of equal length; the i-th source leads to the i-th target.
        chance: shape (actions, length), float64, the chance of each move under each action.
    """

    sources: slice
    targets: slice
    chance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chain:
    """The dynamic states that an episode can be in, numbered, and the moves between them.

    Attributes:
        states: shape (states,), int16, the world's dynamic states, ascending.
        square: shape (states,), int16, the square of each.
        start: shape (squares,), the number of the state in which an episode begins on each square; 0 for a wall.
        on: shape (squares, most), the numbers of the states on each square; ``len(states)`` fills up the rows.
        next: shape (states, actions, branches), numbers of states.
        probability: shape (states, actions, branches), float64.
        diagonals: the same moves, grouped by the difference of target and source. On a grid there are few: one for each
            direction, and one for staying put. A step of many episodes is therefore a few products of whole arrays.
    """

    states: NDArray[np.int16]
    square: NDArray[np.int16]
    start: NDArray[np.intp]
    on: NDArray[np.intp]
    next: NDArray[np.intp]
    probability: NDArray[np.float64]
    diagonals: tuple[Diagonal, ...]

    def __len__(self) -> int:
        return len(self.states)


def _reachable(world: World) -> NDArray[np.int16]:
    """The dynamic states that can be reached from the beginning of an episode if terminals are ignored."""
    found = np.zeros(world.states, dtype=bool)
    frontier = world.free[world.free < world.grid.squares].astype(np.intp)
    while len(frontier):
        found[frontier] = True
        ahead = world.next_state[frontier][world.branch_probability[frontier] > 0]
        frontier = np.unique(ahead[~found[ahead]]).astype(np.intp)
    return np.flatnonzero(found).astype(np.int16)


def _diagonals(following: NDArray[np.intp], probability: NDArray[np.float64]) -> tuple[Diagonal, ...]:
    state, action, branch = np.nonzero(probability)
    target, likely = following[state, action, branch], probability[state, action, branch]
    diagonals = []
    for offset in np.unique(target - state):
        mine = target - state == offset
        first, end = state[mine].min(), state[mine].max() + 1
        chance = np.zeros((probability.shape[1], end - first))
        np.add.at(chance, (action[mine], state[mine] - first), likely[mine])
        diagonals.append(Diagonal(slice(first, end), slice(first + offset, end + offset), chance))
    return tuple(diagonals)


@lru_cache(maxsize=16)
def chain_of(world: World) -> Chain:
    """The chain of a world."""
    states = _reachable(world)
    number = np.zeros(world.states, dtype=np.intp)
    number[states] = np.arange(len(states))
    square = world.square[states]
    on = np.full((world.grid.squares, np.bincount(square).max()), len(states), dtype=np.intp)
    for row, numbers in enumerate(on):
        standing = np.flatnonzero(square == row)
        numbers[: len(standing)] = standing
    following, probability = number[world.next_state[states]], world.branch_probability[states]
    start = number[: world.grid.squares]
    return Chain(states, square, start, on, following, probability, _diagonals(following, probability))

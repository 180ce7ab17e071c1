"""The direction in which each action points, read from the table of the dynamics."""

from functools import lru_cache

import numpy as np

from oversight_gym.envs.world.grid import ACTIONS, MOVES
from oversight_gym.envs.world.tables import World

Direction = tuple[int, int]
"""(down, right); (0, 0) for an action that does not move."""


@lru_cache(maxsize=16)
def directions(world: World) -> tuple[Direction, ...]:
    """The direction of each action: the likeliest of its moves that lead to another square.

    An action that leads nowhere on this grid points where its name says, if it is one of ``ACTIONS``.
    """
    here, there = world.square[world.free], world.square[world.next_state[world.free]]  # (free, actions, branches)
    down = there // world.grid.cols - (here // world.grid.cols)[:, None, None]
    right = there % world.grid.cols - (here % world.grid.cols)[:, None, None]
    found = []
    for action, name in enumerate(world.actions):
        moves = np.stack([down[:, action].ravel(), right[:, action].ravel()], axis=1)
        kinds, which = np.unique(moves, axis=0, return_inverse=True)
        chance = np.bincount(which.ravel(), world.branch_probability[world.free, action].ravel(), len(kinds))
        chance[(kinds == 0).all(axis=1)] = 0
        by_name = dict(zip(ACTIONS, MOVES, strict=True)).get(name, (0, 0))
        found.append((int(kinds[chance.argmax()][0]), int(kinds[chance.argmax()][1])) if chance.any() else by_name)
    return tuple(found)


_GLYPHS = {(-1, 0): "↑", (-1, 1): "↗", (0, 1): "→", (1, 1): "↘", (1, 0): "↓", (1, -1): "↙", (0, -1): "←", (-1, -1): "↖"}


def glyph(direction: Direction) -> str:
    """An arrow as a character; a dot where there is no direction."""
    down, right = (int(np.sign(part)) for part in direction)
    return _GLYPHS.get((down, right), "•")

"""Slippery moves: now and then the agent slides to one side of where it meant to go.

    oversight-gym train --plugin docs/examples/slippery.py --dynamics sliding:chance=0.3 --run-dir runs/slippery
    oversight-gym evaluate --plugin docs/examples/slippery.py runs/slippery

An action has three branches. The simulator draws among them, and the exact evaluation sums over them. The built-in
``slippery`` is the same.
"""

from dataclasses import dataclass

import numpy as np

from oversight_gym.envs import DYNAMICS, Moves, Transitions
from oversight_gym.envs.errors import check_probability
from oversight_gym.envs.world.grid import Grid


@dataclass(frozen=True)
class Sliding(Moves):
    """Every action moves one square its way, or one to the right or left of it.

    Attributes:
        chance: of sliding, to both sides alike.
    """

    chance: float = 0.2

    def __post_init__(self) -> None:
        check_probability("chance", self.chance)

    def transitions(self, grid: Grid) -> Transitions:
        ahead = grid.next_square  # the actions follow the clock, so that their neighbours are the ways aside
        branches = np.stack([ahead, np.roll(ahead, 1, axis=1), np.roll(ahead, -1, axis=1)], axis=2)
        probability = [1 - self.chance, self.chance / 2, self.chance / 2]
        return Transitions(branches, np.broadcast_to(probability, branches.shape))


DYNAMICS.register("sliding", Sliding)

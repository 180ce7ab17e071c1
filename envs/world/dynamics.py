"""How actions move the agent, as tables over dynamic states.

A dynamic state is everything that changes in an episode: the agent's square, whatever else the dynamics keep, and the
monitor's state. Dynamic state ``d`` is ``further * squares + square``; episodes begin with a ``further`` of 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.fields import Probability
from oversight_gym.envs.registry import Registry
from oversight_gym.envs.world.grid import ACTIONS, Grid


class Transitions(NamedTuple):
    """The states to which each action can lead.

    Attributes:
        next_state: shape (states, actions, branches), integers, dynamic states.
        probability: shape (states, actions, branches), float64, of each branch; rows sum to 1.
    """

    next_state: NDArray[np.integer]
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class Moves:
    """Every action moves the agent by one square; a move into the border or a wall leaves it where it is.

    Other dynamics are frozen dataclasses with the same method (the fields are their parameters) and the same attribute
    ``actions``; subclass this one and override what differs.
    """

    actions = ACTIONS

    def transitions(self, grid: Grid) -> Transitions:
        """The table of moves."""
        next_state = grid.next_square[:, :, None]
        return Transitions(next_state, np.ones(next_state.shape))


@dataclass(frozen=True)
class Slippery(Moves):
    """An action moves the agent by one square, but sometimes to the right or left of its direction.

    Attributes:
        chance: the chance of slipping, half of it to each side.
    """

    chance: Probability = 0.2

    def transitions(self, grid: Grid) -> Transitions:
        ahead = grid.next_square  # the actions follow the clock, so that their neighbours are the ways aside
        branches = np.stack([ahead, np.roll(ahead, 1, axis=1), np.roll(ahead, -1, axis=1)], axis=2)
        probability = [1 - self.chance, self.chance / 2, self.chance / 2]
        return Transitions(branches, np.broadcast_to(probability, branches.shape))


DYNAMICS: Registry[type[Moves]] = Registry("dynamics", "oversight_gym.dynamics")
DYNAMICS.register("moves", Moves)
DYNAMICS.register("slippery", Slippery)

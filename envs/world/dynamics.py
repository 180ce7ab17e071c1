"""How actions move the agent, as tables over dynamic states.

A dynamic state is what changes in an episode: the agent's square and, where there is a monitor that the agent can
influence, the monitor's state. Dynamic state ``d`` is ``monitor * squares + square``; episodes begin in monitor 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.registry import Registry
from oversight_gym.envs.world.grid import ACTIONS, Grid


class Transitions(NamedTuple):
    """Where each action can lead.

    Attributes:
        next_state: shape (states, actions, branches), integers, dynamic states.
        probability: shape (states, actions, branches), float64, of each branch; rows sum to 1.
    """

    next_state: NDArray[np.integer]
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class Moves:
    """Every action moves one square its way; into the border or a wall it stays put.

    Other dynamics are frozen dataclasses with the same two methods (the fields are their parameters) and the same
    attribute ``actions``; subclass this one and override what differs.
    """

    actions = ACTIONS

    def transitions(self, grid: Grid) -> Transitions:
        """The table of moves."""
        next_state = grid.next_square[:, :, None]
        return Transitions(next_state, np.ones(next_state.shape))

    def watching(self, grid: Grid) -> NDArray[np.float64]:
        """Shape (states,): the chance that a terminal under oversight, reached in that state, is in fact seen."""
        return np.ones(len(self.transitions(grid).next_state))


DYNAMICS: Registry[type[Moves]] = Registry("dynamics", "oversight_gym.dynamics")
DYNAMICS.register("moves", Moves)

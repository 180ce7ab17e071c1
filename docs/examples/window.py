"""An egocentric window: the policy sees the 3 x 3 squares around the agent and no more.

    oversight-gym train --plugin docs/examples/window.py --view peephole --run-dir runs/window
    oversight-gym evaluate --plugin docs/examples/window.py runs/window

``--view peephole:radius=2`` widens it to 5 x 5 squares.
"""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from oversight_gym.envs import VIEWS, View
from oversight_gym.envs.views import Planes
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


@dataclass(frozen=True)
class Peephole(View):
    """A plane for each kind of terminal, one for oversight and one for squares that can be walked on.

    Attributes:
        radius: squares seen to each side.
    """

    radius: int = 1

    def space(self, world: World) -> spaces.MultiBinary:
        side = 2 * self.radius + 1
        return spaces.MultiBinary([len(world.kinds) + 2, side, side])

    def observe(self, world: World, state: State) -> NDArray[np.int8]:
        planes = Planes().observe(world, state)[:, 1 : len(world.kinds) + 2]
        floor = np.broadcast_to(~world.grid.walls.reshape(planes.shape[2:]), (len(state), 1, *planes.shape[2:]))
        around = 2 * [(0, 0)] + 2 * [(self.radius, self.radius)]
        padded = np.pad(np.concatenate([planes, floor], axis=1), around)
        windows = sliding_window_view(padded, self.space(world).shape[1:], axis=(2, 3))
        row, col = np.divmod(world.square[state.dynamic], world.grid.cols)
        return windows[np.arange(len(state)), :, row, col]


VIEWS.register("peephole", Peephole)

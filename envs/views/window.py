"""An egocentric window: the policy sees only the squares around the agent."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from gymnasium import spaces
from msgspec import Meta
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.views.planes import Planes
from oversight_gym.envs.views.view import VIEWS, View
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


@dataclass(frozen=True)
class Window(View):
    """Planes for each kind of terminal (and look), ``oversight``, ``floor``, a monitor's signs, and ``monitor``.

    The agent is in the middle. ``floor`` marks the squares that can be walked on; beyond the grid every plane is 0. The
    plane ``monitor`` shows a monitor's state in one-hot form, square by square, as in ``planes``.

    Attributes:
        size: the number of squares along each side, which must be odd.
        oversight: whether there is a plane of oversight.
    """

    size: Annotated[int, Meta(ge=1, le=99)] = 3
    oversight: bool = True

    def __post_init__(self) -> None:
        if self.size % 2 == 0:
            raise RequestError(f"size of the window is {self.size}; give an odd number, the agent being in the middle.")

    def _drawn(self, world: World) -> tuple[str, ...]:
        """The planes that are fixed at the beginning of an episode."""
        return tuple(
            name
            for name in Planes().planes(world)[1 : 2 + len(world.kinds) * world.looks]
            if self.oversight or name != "oversight"
        )

    def planes(self, world: World) -> tuple[str, ...]:
        monitors = -(-world.further // self.size**2) if world.further > 1 else 0
        numbered = (f"monitor{number or ''}" for number in range(monitors))
        return *self._drawn(world), "floor", *world.signs, *numbered

    def space(self, world: World) -> spaces.Space[Any]:
        return spaces.MultiBinary(self._shape(world))

    def _shape(self, world: World) -> tuple[int, int, int]:
        return len(self.planes(world)), self.size, self.size

    def still(self, world: World, state: State) -> NDArray[np.int8]:
        everything, drawn = Planes().observe(world, state), self._drawn(world)
        kept = everything[:, 1 : 1 + len(drawn)].reshape(len(state), -1)
        constants = np.broadcast_to(np.array([0, 1], dtype=np.int8), (len(state), 2))
        return np.concatenate([kept, constants], axis=1)

    def looking(self, world: World) -> NDArray[np.intp]:
        return _looking(self, world)

    def observe(self, world: World, state: State) -> NDArray[np.int8]:
        seen = np.take_along_axis(self.still(world, state), self.looking(world)[state.dynamic], axis=1)
        return seen.reshape(len(state), *self._shape(world))


@lru_cache(maxsize=16)
def _looking(view: Window, world: World) -> NDArray[np.intp]:
    """The still entry that each entry of the window shows, shape (states, entries)."""
    grid, drawn, side = world.grid, len(view._drawn(world)), view.size
    nothing, something = drawn * grid.squares, drawn * grid.squares + 1
    away = np.arange(side) - side // 2
    agent_row, agent_col = np.divmod(world.square.astype(np.intp), grid.cols)
    row, col = agent_row[:, None, None] + away[:, None], agent_col[:, None, None] + away
    inside = (row >= 0) & (row < grid.rows) & (col >= 0) & (col < grid.cols)
    there = np.where(inside, row * grid.cols + col, 0)
    planes = [np.where(inside, plane * grid.squares + there, nothing) for plane in range(drawn)]
    planes.append(np.where(~grid.walls[there] & inside, something, nothing))
    planes += [np.where(inside & (there == sign), something, nothing) for sign in world.signs.values()]
    further, cells = np.arange(world.states) // grid.squares, np.arange(side * side)
    for number in range(len(view.planes(world)) - len(planes)):
        here = further[:, None] == number * side * side + cells
        planes.append(np.where(here, something, nothing).reshape(-1, side, side))
    return np.stack(planes, axis=1).reshape(world.states, -1)


VIEWS.register("window", Window)

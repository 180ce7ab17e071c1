"""The default view: one-hot planes of the grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from oversight_gym.envs.views.view import VIEWS, View
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


def oversight_plane(world: World, state: State) -> NDArray[np.bool_]:
    """The squares shown as overseen (terminals, false marks, and squares lit with a terminal), shape (n, squares)."""
    squares = world.grid.squares
    shown = np.zeros((len(state), squares), dtype=bool) if state.marked is None else state.marked.copy()
    if world.lit is not None:
        shown |= world.lit & state.displayed.any(axis=1, keepdims=True)
    np.put_along_axis(shown, state.terminals.astype(np.intp), state.displayed, axis=1)
    return shown


@dataclass(frozen=True)
class Planes(View):
    """Planes ``agent``, one per kind of terminal, ``oversight``, ``wall`` where there are walls, and ``monitor``.

    If kinds have several looks, each look has a plane of its own. If there are more dynamic states than squares, there
    is a plane ``monitor`` (several if one is too small), which shows the monitor's state in one-hot form, square by
    square.
    """

    def planes(self, world: World) -> tuple[str, ...]:
        walls = ("wall",) if world.grid.walls.any() else ()
        monitors = -(-world.further // world.grid.squares) if world.further > 1 else 0
        kinds = world.kinds
        if world.looks > 1:
            kinds = tuple(f"{kind} {look}" for kind in kinds for look in range(1, world.looks + 1))
        return "agent", *kinds, "oversight", *walls, *(f"monitor{i or ''}" for i in range(monitors))

    def _shape(self, world: World) -> tuple[int, int, int]:
        return len(self.planes(world)), world.grid.rows, world.grid.cols

    def space(self, world: World) -> spaces.Space[Any]:
        return spaces.MultiBinary(self._shape(world))

    def moving(self, world: World) -> NDArray[np.integer]:
        names, squares = self.planes(world), world.grid.squares
        agent = world.square.astype(np.int64)[:, None]
        if "monitor" not in names:
            return agent
        monitor = names.index("monitor") * squares + np.arange(world.states) // squares
        return np.concatenate([agent, monitor[:, None]], axis=1)

    def observe(self, world: World, state: State) -> NDArray[np.int8]:
        """The observations of a batch, which show everything but the step count.

        Returns:
            shape (n, planes, rows, cols), int8 in {0, 1}.
        """
        names, grid, samples = self.planes(world), world.grid, len(state)
        planes = np.zeros((samples, len(names), grid.squares), dtype=np.int8)
        flat, first = planes.reshape(-1), np.arange(samples) * len(names) * grid.squares
        for position in self.moving(world)[state.dynamic].T:
            flat[first + position] = 1
        for column, (kind, squares) in enumerate(zip(world.kind_of.tolist(), state.terminals.T, strict=True)):
            look = 0 if state.looks is None else state.looks[:, column].astype(np.intp)
            plane = 1 + kind * world.looks + look
            flat[first + plane * grid.squares + squares] = 1
        planes[:, names.index("oversight")] = oversight_plane(world, state)
        if "wall" in names:
            planes[:, names.index("wall")] = grid.walls
        return planes.reshape(samples, *self._shape(world))


VIEWS.register("planes", Planes)

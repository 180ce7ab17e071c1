"""A view of pictures: the policy sees the grid as it is drawn."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Annotated, Any, NamedTuple

import numpy as np
from gymnasium import spaces
from msgspec import Meta
from numpy.typing import NDArray

from oversight_gym.envs.views.planes import oversight_plane
from oversight_gym.envs.views.view import VIEWS, View
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


class _Ground(NamedTuple):
    """The part of a square that is the same in every episode; at the edge of the grid it has more lines."""

    wall: bool
    field: bool
    last_row: bool
    last_col: bool
    sign: str


@dataclass(frozen=True)
class Camera(View):
    """The picture of ``render_mode="rgb_array"``, channels last.

    Attributes:
        tile: the number of pixels per square. SB3's ``CnnPolicy`` needs pictures of at least 36 x 36.
    """

    tile: Annotated[int, Meta(ge=8, le=64)] = 8

    def space(self, world: World) -> spaces.Space[Any]:
        return spaces.Box(0, 255, (world.grid.rows * self.tile, world.grid.cols * self.tile, 3), np.uint8)

    def observe(self, world: World, state: State) -> NDArray[np.uint8]:
        grid, samples, every = world.grid, len(state), np.arange(len(state))
        ground, tiles = _tiles(world, self.tile)
        terminal = np.zeros((samples, grid.squares), dtype=np.intp)
        for column, kind in enumerate(world.kind_of.tolist()):
            look = 0 if state.looks is None else state.looks[:, column]
            terminal[every, state.terminals[:, column]] = 1 + kind * world.looks + look
        agent = np.zeros((samples, grid.squares), dtype=np.intp)
        agent[every, world.square[state.dynamic]] = 1
        lit = oversight_plane(world, state).astype(np.intp)
        monitor = world.monitor_of(state.dynamic)[:, None]
        drawn = tiles[ground, lit, terminal, agent, monitor]
        rows = drawn.reshape(samples, grid.rows, grid.cols, self.tile, self.tile, 3).swapaxes(2, 3)
        return np.ascontiguousarray(rows.reshape(samples, grid.rows * self.tile, grid.cols * self.tile, 3))


@lru_cache(maxsize=8)
def _tiles(world: World, tile: int) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """The ground of each square (squares,), and the picture of each sort of square.

    Returns:
        the pictures have shape (grounds, lit, terminals, agent, monitor states, tile, tile, 3); terminal 0 is none.
    """
    from oversight_gym.envs.drawing.board import Board, Moved, Painter, pixels
    from oversight_gym.envs.drawing.marks import marks
    from oversight_gym.envs.world.grid import make_grid

    grid, signs = world.grid, {square: name for name, square in world.signs.items()}
    row, col = np.divmod(np.arange(grid.squares), grid.cols)
    field = np.zeros(grid.squares, dtype=bool) if world.field is None else world.field
    parts = grid.walls, field, row == grid.rows - 1, col == grid.cols - 1
    squares = []
    for square in range(grid.squares):
        wall, seen, last_row, last_col = (bool(part[square]) for part in parts)
        squares.append(_Ground(wall, seen, last_row, last_col, signs.get(square, "")))
    grounds = sorted(set(squares))
    looks = [(mark, look) for mark in marks(world.kinds) for look in range(world.looks)]
    shape = len(grounds), 2, 1 + len(looks), 2, len(world.monitor)
    pictures = np.zeros((*shape, tile, tile, 3), dtype=np.uint8)
    for ground, lit, terminal, agent, state in product(*map(range, shape)):
        here = grounds[ground]
        alone = make_grid((2 - here.last_row, 2 - here.last_col))  # with the neighbours that its lines depend on
        mark = [looks[terminal - 1][0].with_look(looks[terminal - 1][1])] if terminal else []
        moved = Moved.of(world, state * (world.states // len(world.monitor)))
        if moved is not None:
            moved = moved.at(frozenset({0} if here.field else ()), {here.sign: 0} if here.sign else {})
        board = Board(
            alone,
            agent=0 if agent else None,
            terminals=(0,) if terminal else (),
            marks=tuple(mark),
            shown=frozenset({0} if lit else ()),
            monitor=moved,
        )
        pictures[ground, lit, terminal, agent, state] = pixels(Painter(alone, tile, here.wall).paint(board))[
            :tile, :tile
        ]
    return np.array([grounds.index(square) for square in squares]), pictures


VIEWS.register("camera", Camera)

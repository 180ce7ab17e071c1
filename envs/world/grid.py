"""The squares and the moves between them, as tables over integer squares (row-major)."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError, shown
from oversight_gym.envs.fields import typed
from oversight_gym.envs.world.walls import wall_squares

ACTIONS: tuple[str, ...] = ("up", "right", "down", "left")
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))

MOST_SQUARES = 4096
"""The largest number of squares of a grid; the table of distances grows with its square."""

Side = Annotated[int, Meta(ge=1, le=MOST_SQUARES)]
Walls = str | tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid of ``rows * cols`` squares; square ``s`` is row ``s // cols``, column ``s % cols``.

    Attributes:
        rows, cols: the size.
        walls: shape (squares,), bool.
        free: shape (free squares,), int16, the squares without a wall.
        next_square: shape (squares, 4), int16: the square to which each action leads. A move into the border or into a
            wall leads to the same square. This table is the whole dynamics.
        distance: shape (squares, squares), int16: the number of steps on a shortest path; -1 from or to a wall.
    """

    rows: int
    cols: int
    walls: NDArray[np.bool_]
    free: NDArray[np.int16]
    next_square: NDArray[np.int16]
    distance: NDArray[np.int16]

    @property
    def squares(self) -> int:
        return self.rows * self.cols

    def square(self, name: str, position: object) -> int:
        """The square at ``position`` (row, column).

        Raises:
            RequestError: if it is not a free square of this grid.
        """
        try:
            row, col = (operator.index(x) for x in position)  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            raise RequestError(f"{name} is {shown(position)}; give it as (row, column), for example (0, 2).") from None
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise RequestError(
                f"{name} is {(row, col)}, outside the grid; rows go from 0 to {self.rows - 1}, "
                f"columns from 0 to {self.cols - 1}."
            )
        if self.walls[row * self.cols + col]:
            raise RequestError(f"{name} is {(row, col)}, which is a wall; choose a free square.")
        return row * self.cols + col

    def half(self, side: str) -> NDArray[np.bool_]:
        """Which squares are free squares of one half (``left``, ``right``, ``top`` or ``bottom``), shape (squares,).

        With an odd number of rows or columns, the middle one belongs to neither half.
        """
        row, col = np.divmod(np.arange(self.squares), self.cols)
        along, length = (col, self.cols) if side in ("left", "right") else (row, self.rows)
        along = along if side in ("left", "top") else length - 1 - along
        return np.asarray((along < length // 2) & ~self.walls)

    def position(self, square: int) -> tuple[int, int]:
        """(row, column) of a square."""
        row, col = divmod(int(square), self.cols)
        return row, col


def parse_size(size: object) -> tuple[int, int]:
    """(rows, cols) from an int or a pair.

    Raises:
        RequestError: if it is neither, or not positive, or has too many squares.
    """
    rows, cols = typed("size", size if isinstance(size, list | tuple) else (size, size), tuple[Side, Side])
    if rows * cols > MOST_SQUARES:
        raise RequestError(f"size is {(rows, cols)}; a grid has at most {MOST_SQUARES:,} squares.")
    return rows, cols


@lru_cache(maxsize=64)
def _build(rows: int, cols: int, walls: frozenset[tuple[int, int]]) -> Grid:
    is_wall = np.zeros(rows * cols, dtype=bool)
    for row, col in walls:
        is_wall[row * cols + col] = True
    free = np.flatnonzero(~is_wall).astype(np.int16)
    next_square = np.repeat(np.arange(rows * cols, dtype=np.int16)[:, None], len(ACTIONS), axis=1)
    for square in free.tolist():
        for action, (down, right) in enumerate(MOVES):
            row, col = square // cols + down, square % cols + right
            if 0 <= row < rows and 0 <= col < cols and not is_wall[row * cols + col]:
                next_square[square, action] = row * cols + col
    grid = Grid(rows, cols, is_wall, free, next_square, _distances(next_square, free, cols))
    if (grid.distance[np.ix_(free, free)] < 0).any():
        raise RequestError(f"the walls cut the {rows} x {cols} grid in two; leave a way between all free squares.")
    for table in (is_wall, free, next_square, grid.distance):
        table.flags.writeable = False  # shared by every user of the cached grid
    return grid


def _distances(next_square: NDArray[np.int16], free: NDArray[np.int16], cols: int) -> NDArray[np.int16]:
    """All shortest paths between free squares."""
    squares, actions = next_square.shape
    if len(free) == squares:  # no walls to walk around
        row, col = np.divmod(free, cols)
        return abs(row[:, None] - row) + abs(col[:, None] - col)
    from scipy.sparse import csr_array  # here, because it takes 25 MB, which an open grid does without
    from scipy.sparse.csgraph import shortest_path

    ends = np.repeat(free, actions), next_square[free].ravel()
    steps = shortest_path(csr_array((np.ones(len(ends[0])), ends), (squares, squares)), unweighted=True)
    steps[np.setdiff1d(np.arange(squares), free)] = np.inf
    return np.where(np.isfinite(steps), steps, -1).astype(np.int16)


def make_grid(size: object, walls: str | Sequence[Sequence[int]] = "none") -> Grid:
    """The grid of a size with walls.

    Args:
        size: an int, or (rows, cols); a border of walls counts as part of it.
        walls: as in ``wall_squares``.

    Raises:
        RequestError: if a size or wall is not on the grid, or the walls cut the grid in two.
    """
    rows, cols = parse_size(size)
    squares = wall_squares(walls, rows, cols)
    if not isinstance(squares, frozenset):
        open_grid = _build(rows, cols, frozenset())
        squares = frozenset(open_grid.position(open_grid.square("walls", wall)) for wall in squares)
    return _build(rows, cols, squares)

"""The walls of a grid: by name, from a map in text, or from a list of squares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import Probability, Seed
from oversight_gym.envs.registry import Registry, make_part

Walls = str | Sequence[Sequence[int]]
Squares = frozenset[tuple[int, int]]
"""The (row, column) pairs of walls."""


@dataclass(frozen=True)
class NoWalls:
    """No walls. It is the base of the others, whose fields are their parameters."""

    def squares(self, rows: int, cols: int) -> Squares:
        """The walls of a grid."""
        return frozenset()


@dataclass(frozen=True)
class Border(NoWalls):
    """The outermost squares, inside the size."""

    def squares(self, rows: int, cols: int) -> Squares:
        return frozenset((r, c) for r in range(rows) for c in range(cols) if r in (0, rows - 1) or c in (0, cols - 1))


@dataclass(frozen=True)
class Maze(NoWalls):
    """Corridors one square wide, made by depth-first search. All squares are connected, and there are some loops.

    Attributes:
        seed: the seed of the maze; the same seed gives the same maze.
        loops: the share of the walls between two corridors that are opened afterwards.
    """

    seed: Seed = 0
    loops: Probability = 0.2

    def squares(self, rows: int, cols: int) -> Squares:
        rng = np.random.default_rng(self.seed)
        cells = {(r, c) for r in range(0, rows, 2) for c in range(0, cols, 2)}
        free, way = {(0, 0)}, [(0, 0)]
        while way:
            row, col = way[-1]
            around = [(row - 2, col), (row, col + 2), (row + 2, col), (row, col - 2)]
            fresh = [cell for cell in around if cell in cells - free]
            if not fresh:
                way.pop()
                continue
            cell = fresh[int(rng.integers(len(fresh)))]
            free |= {cell, ((row + cell[0]) // 2, (col + cell[1]) // 2)}
            way.append(cell)
        every = frozenset((r, c) for r in range(rows) for c in range(cols))
        between = sorted((r, c) for r, c in every - free if _joins(r, c, cells))
        opened = rng.random(len(between)) < self.loops
        return every - free - {wall for wall, is_open in zip(between, opened, strict=True) if is_open}


def _joins(row: int, col: int, cells: set[tuple[int, int]]) -> bool:
    """Whether a square lies between two cells of a maze."""
    return {(row - 1, col), (row + 1, col)} <= cells or {(row, col - 1), (row, col + 1)} <= cells


WALLS: Registry[type[NoWalls]] = Registry("walls", "oversight_gym.walls")
WALLS.register("none", NoWalls)
WALLS.register("border", Border)
WALLS.register("maze", Maze)


def _of_map(text: str, rows: int, cols: int) -> Squares:
    """The walls of a map in text."""
    lines = text.replace("/", "\n").split()
    lengths = {len(line) for line in lines}
    if lengths != {cols} or len(lines) != rows:
        found = f"{len(lines)} x {lengths.pop()} squares" if len(lengths) == 1 else f"{len(lines)} uneven rows"
        raise RequestError(f"walls is a map of {found}, but size is {(rows, cols)}; give the size of the map.")
    return frozenset((r, c) for r, line in enumerate(lines) for c, sign in enumerate(line) if sign == "#")


def wall_squares(walls: Walls, rows: int, cols: int) -> Sequence[Sequence[int]] | Squares:
    """The (row, column) pairs of walls.

    Args:
        walls: a name in ``WALLS`` with its parameters; or a map such as ``..#/.../#..``, ``#`` a wall and ``.`` free,
            its rows apart by ``/`` or line breaks; or a list of (row, column).
        rows, cols: size of the grid.

    Raises:
        RequestError: if there is no such name, or the map has another size.
    """
    if not isinstance(walls, str):
        return walls
    if walls.strip() and set(walls) <= set("#./ \n"):
        return _of_map(walls, rows, cols)
    if walls.partition(":")[0] not in WALLS:
        named = ", ".join(map(repr, WALLS))
        raise RequestError(f"walls is {walls!r}; choose {named}, a map such as '..#/...', or a list of (row, column).")
    return make_part(WALLS, walls).squares(rows, cols)

"""Draws a situation on pygame surfaces, for ``render``, the viewer and the recordings. It opens no window."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.drawing import shapes, sprites
from oversight_gym.envs.drawing.directions import Direction, directions
from oversight_gym.envs.drawing.gates import gate_colours
from oversight_gym.envs.drawing.marks import Mark, expert_colours, terminal_marks
from oversight_gym.envs.drawing.palette import INK, OVERSIGHT, rgb
from oversight_gym.envs.views.planes import oversight_plane
from oversight_gym.envs.world.grid import MOVES, Grid
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World

FLOOR, LINE, WALL = (246, 244, 239), (211, 207, 198), (92, 92, 98)
LIT, FIELD, PATH = (255, 236, 170), (226, 236, 246), (120, 124, 132)


@dataclass(frozen=True)
class Moved:
    """The present state of a monitor, for drawing.

    Attributes:
        field: the squares that it watches.
        signs: the squares of its own objects, by name.
        sees: whether a terminal reached now would be seen, without oversight and with it.
        gauge: what is left of a resource and its total; None where nothing runs out.
    """

    field: frozenset[int]
    signs: dict[str, int]
    sees: tuple[bool, bool]
    gauge: tuple[int, int] | None

    @classmethod
    def of(cls, world: World, dynamic: int) -> "Moved | None":
        """The monitor in a dynamic state of a world."""
        if len(world.monitor) == 1:
            return None
        field = frozenset() if world.field is None else frozenset(np.flatnonzero(world.field).tolist())
        without, watched = (world.sees[dynamic] > 0).tolist()
        return cls(field, world.signs, (without, watched), world.gauges[world.monitor_of(dynamic)])

    def at(self, field: frozenset[int], signs: dict[str, int]) -> "Moved":
        """The same state with other squares."""
        return replace(self, field=field, signs=signs)


@dataclass(frozen=True, eq=False)
class Board:
    """Everything that is drawn.

    Attributes:
        grid: the grid.
        agent: the agent's square; None if there is no agent.
        terminals: the terminals' squares.
        marks: how each is drawn.
        shown: the squares that are shown as under oversight.
        path: the squares walked so far, in order.
        experts: the names of the experts, if there is a gate to draw.
        gate: weights of the experts on each square of the grid, shape (squares, experts), NaN where there are none; or
            None.
        actions: action probabilities, shape (squares, actions), NaN where there are none; or None.
        directions: (down, right) of each action.
        monitor: the part of the supervision that the agent can change; None if there is none.
    """

    grid: Grid
    agent: int | None
    terminals: tuple[int, ...]
    marks: tuple[Mark, ...]
    shown: frozenset[int]
    path: tuple[int, ...] = field(default=())
    experts: tuple[str, ...] = ()
    gate: NDArray[np.floating[Any]] | None = None
    actions: NDArray[np.floating[Any]] | None = None
    directions: tuple[Direction, ...] = MOVES
    monitor: "Moved | None" = None

    @classmethod
    def of(cls, config: EnvConfig, state: State, index: int = 0, **more: Any) -> "Board":
        """The board of one episode of a state; keywords are further attributes."""
        shown = frozenset(np.flatnonzero(oversight_plane(config.world, state[index : index + 1])[0]).tolist())
        agent = int(config.world.square[state.dynamic[index]])
        terminals = tuple(state.terminals[index].tolist())
        ways, looks = directions(config.world), None if state.looks is None else state.looks[index].tolist()
        return cls(
            config.grid,
            agent,
            terminals,
            terminal_marks(config, looks),
            shown,
            directions=ways,
            monitor=Moved.of(config.world, int(state.dynamic[index])),
            **more,
        )


def _overlay(board: Board, tile: int) -> pygame.Surface:
    """Gate colours and arrows of every square, transparent where there are none."""
    grid = board.grid
    surface = pygame.Surface((grid.cols * tile, grid.rows * tile), pygame.SRCALPHA)
    if board.gate is not None:
        squares = np.flatnonzero(~np.isnan(board.gate[:, 0]))
        colours = gate_colours(board.gate[squares], expert_colours(board.experts))
        for square, colour in zip(squares.tolist(), colours.tolist(), strict=True):
            row, col = grid.position(square)
            surface.fill(colour, (col * tile, row * tile, tile, tile))
    if board.actions is not None:
        smooth = 2
        arrows = pygame.Surface((grid.cols * tile * smooth, grid.rows * tile * smooth), pygame.SRCALPHA)
        arrows.fill((*rgb(INK), 0))
        for square in np.flatnonzero(~np.isnan(board.actions[:, 0])).tolist():
            row, col = grid.position(square)
            for outline in shapes.arrows(board.actions[square], board.directions):
                corners = (outline + np.array([col + 0.5, row + 0.5])) * tile * smooth
                pygame.draw.polygon(arrows, rgb(INK), corners)
        surface.blit(pygame.transform.smoothscale(arrows, surface.get_size()), (0, 0))
    return surface


class Painter:
    """Draws boards of one grid at one size, and keeps what does not change.

    Args:
        grid: the grid.
        tile: the number of pixels per square.
        walled: whether every square is drawn as a wall.
    """

    def __init__(self, grid: Grid, tile: int, walled: bool = False) -> None:
        self.grid, self.tile = grid, tile
        self._walls = np.arange(grid.squares) if walled else np.flatnonzero(grid.walls)
        self.size = grid.cols * tile, grid.rows * tile
        self._overlaid: tuple[Any, Any, pygame.Surface] | None = None

    def _rect(self, square: int) -> pygame.Rect:
        row, col = self.grid.position(square)
        return pygame.Rect(col * self.tile, row * self.tile, self.tile, self.tile)

    def paint(self, board: Board) -> pygame.Surface:
        """A fresh surface of ``size``."""
        surface = pygame.Surface(self.size)
        surface.fill(FLOOR)
        monitor = board.monitor
        for square in monitor.field if monitor else ():
            surface.fill(FIELD, self._rect(square))
        for square in board.shown:
            surface.fill(LIT, self._rect(square))
        if board.gate is not None or board.actions is not None:
            if self._overlaid is None or self._overlaid[0] is not board.gate or self._overlaid[1] is not board.actions:
                self._overlaid = board.gate, board.actions, _overlay(board, self.tile)
            surface.blit(self._overlaid[2], (0, 0))
        for square in self._walls.tolist():
            surface.fill(WALL, self._rect(square))
        self._lines(surface)
        for square in board.shown:
            width = max(2, self.tile // 16)
            pygame.draw.rect(surface, rgb(OVERSIGHT), self._rect(square).inflate(-2, -2), width, self.tile // 12)
        for name, square in monitor.signs.items() if monitor else ():
            pressed = monitor is not None and not monitor.sees[1]
            sign = sprites.button(self.tile, pressed) if name == "button" else sprites.door(self.tile)
            surface.blit(sign, self._rect(square))
        if len(board.path) > 1:
            self._walked(surface, board.path)
        for mark, square in zip(board.marks, board.terminals, strict=True):
            surface.blit(sprites.terminal(mark, self.tile), self._rect(square))
        if board.agent is not None:
            surface.blit(sprites.agent(self.tile), self._rect(board.agent))
            if monitor and monitor.gauge:
                surface.blit(sprites.gauge(self.tile, *monitor.gauge), self._rect(board.agent))
        eye = sprites.eye if monitor is None or monitor.sees[1] else sprites.closed_eye
        asked = set(board.terminals) - board.shown if monitor and monitor.sees[0] else set()
        for square in board.shown | asked:
            surface.blit(eye(self.tile), self._rect(square))
        return surface

    def _lines(self, surface: pygame.Surface) -> None:
        for col in range(self.grid.cols + 1):
            x = min(col * self.tile, self.size[0] - 1)
            pygame.draw.line(surface, LINE, (x, 0), (x, self.size[1]))
        for row in range(self.grid.rows + 1):
            y = min(row * self.tile, self.size[1] - 1)
            pygame.draw.line(surface, LINE, (0, y), (self.size[0], y))

    def _walked(self, surface: pygame.Surface, path: tuple[int, ...]) -> None:
        centres = [np.array(self._rect(square).center, dtype=float) for square in path]
        for start, end in pairwise(centres):
            for share in np.linspace(0, 1, 5)[:-1]:
                pygame.draw.aacircle(surface, PATH, start + share * (end - start), max(2, self.tile // 28))


def pixels(surface: pygame.Surface) -> NDArray[np.uint8]:
    """A surface as an array (height, width, 3), uint8."""
    return np.ascontiguousarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))

"""The one drawing of a situation, with pygame surfaces: under ``render``, the viewer and the recordings. No window."""

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.palette import BLUE, FACET, INK, ORANGE, OVERSIGHT, Rgb, rgb
from oversight_gym.envs.views.planes import oversight_plane
from oversight_gym.envs.world.grid import MOVES, Grid
from oversight_gym.envs.world.state import State

COLOURS: dict[str, Rgb] = {
    "floor": (246, 244, 239),
    "line": (211, 207, 198),
    "wall": (92, 92, 98),
    "oversight": rgb(OVERSIGHT),
    "lit": (255, 236, 170),
    "agent": rgb(INK),
    "ghost": rgb(ORANGE),
    "diamond": rgb(BLUE),
    "facet": rgb(FACET),
    "path": (120, 124, 132),
    "white": (255, 255, 255),
}
"""Told apart by colour-blind readers, and by shape."""
SMOOTH = 4
"""Sprites are drawn so many times larger and scaled down, for smooth edges."""
GATE_STRENGTH = 0.62
"""How much of the gate's colour shows in a square."""


@dataclass(frozen=True, eq=False)
class Board:
    """What there is to draw.

    Attributes:
        grid: the grid.
        agent: square.
        kinds: names of the kinds of terminals.
        terminals: squares, in their order.
        shown: squares shown as under oversight.
        path: squares walked so far, the first one first.
        gate: weight of the first expert on each square of the grid, shape (squares,), NaN where there is none; or None.
        actions: action probabilities, shape (squares, actions), NaN where there are none; or None.
    """

    grid: Grid
    agent: int
    kinds: tuple[str, ...]
    terminals: tuple[int, ...]
    shown: frozenset[int]
    path: tuple[int, ...] = field(default=())
    gate: NDArray[np.floating[Any]] | None = None
    actions: NDArray[np.floating[Any]] | None = None

    @classmethod
    def of(cls, config: EnvConfig, state: State, index: int = 0, **more: Any) -> "Board":
        """One episode of a state; keywords are further attributes."""
        shown = frozenset(np.flatnonzero(oversight_plane(config.grid, state[index : index + 1])[0]).tolist())
        agent = int(config.world.square[state.dynamic[index]])
        return cls(config.grid, agent, config.kinds, tuple(state.terminals[index].tolist()), shown, **more)


def _canvas(size: int, colour: Rgb) -> pygame.Surface:
    """Transparent, but of a colour, so that scaling it down does not darken the edges."""
    canvas = pygame.Surface((size * SMOOTH, size * SMOOTH), pygame.SRCALPHA)
    canvas.fill((*colour, 0))
    return canvas


def _scaled(outline: Any, tile: int) -> Any:
    return (np.asarray(outline) + 0.5) * tile * SMOOTH


@lru_cache(maxsize=64)
def sprite(kind: str, tile: int) -> pygame.Surface:
    """The agent, a terminal or the eye of oversight on a transparent square of ``tile`` pixels."""
    colour = COLOURS[kind]
    canvas = _canvas(tile, colour)
    unit = tile * SMOOTH
    if kind == "agent":
        pygame.draw.circle(canvas, colour, _scaled((0, 0), tile), 0.25 * unit)
        for x in (-0.09, 0.09):
            pygame.draw.circle(canvas, COLOURS["white"], _scaled((x, -0.04), tile), 0.07 * unit)
            pygame.draw.circle(canvas, colour, _scaled((x, -0.03), tile), 0.033 * unit)
    elif kind == "ghost":
        pygame.draw.polygon(canvas, colour, _scaled(shapes.GHOST, tile))
        for eye in shapes.GHOST_EYES:
            pygame.draw.circle(canvas, COLOURS["white"], _scaled(eye, tile), 0.065 * unit)
            pygame.draw.circle(canvas, COLOURS["agent"], _scaled(eye + 0.015, tile), 0.03 * unit)
    elif kind == "diamond":
        pygame.draw.polygon(canvas, colour, _scaled(shapes.GEM, tile))
        for line in _scaled(shapes.GEM_FACETS, tile):
            pygame.draw.line(canvas, COLOURS["facet"], line[0], line[1], max(1, round(0.016 * unit)))
    else:
        pygame.draw.polygon(canvas, COLOURS["white"], _scaled(shapes.EYE + shapes.EYE_AT, tile))
        lid = max(1, round(0.02 * unit))
        pygame.draw.polygon(canvas, COLOURS["agent"], _scaled(shapes.EYE + shapes.EYE_AT, tile), lid)
        pygame.draw.circle(canvas, COLOURS["agent"], _scaled(shapes.EYE_AT, tile), 0.05 * unit)
    return pygame.transform.smoothscale(canvas, (tile, tile))


def gate_colour(weight: float) -> Rgb:
    """Orange at 0, white at 0.5, blue at 1, on the floor's colour."""
    end = np.array(COLOURS["diamond"] if weight >= 0.5 else COLOURS["ghost"])
    strength = GATE_STRENGTH * abs(2 * weight - 1)
    mixed = (1 - strength) * np.array(COLOURS["white"]) + strength * end
    return tuple(np.round(mixed).astype(int).tolist())


def _overlay(board: Board, tile: int) -> pygame.Surface:
    """Gate colours and arrows of every square, transparent where there are none."""
    grid = board.grid
    surface = pygame.Surface((grid.cols * tile, grid.rows * tile), pygame.SRCALPHA)
    if board.gate is not None:
        for square in np.flatnonzero(~np.isnan(board.gate)).tolist():
            row, col = grid.position(square)
            surface.fill(gate_colour(float(board.gate[square])), (col * tile, row * tile, tile, tile))
    if board.actions is not None:
        smooth = 2
        arrows = pygame.Surface((grid.cols * tile * smooth, grid.rows * tile * smooth), pygame.SRCALPHA)
        arrows.fill((*COLOURS["agent"], 0))
        for square in np.flatnonzero(~np.isnan(board.actions[:, 0])).tolist():
            row, col = grid.position(square)
            for outline in shapes.arrows(board.actions[square], MOVES):
                corners = (outline + np.array([col + 0.5, row + 0.5])) * tile * smooth
                pygame.draw.polygon(arrows, COLOURS["agent"], corners)
        surface.blit(pygame.transform.smoothscale(arrows, surface.get_size()), (0, 0))
    return surface


class Painter:
    """Draws boards of one grid at one size; what does not change is drawn once.

    Args:
        grid: the grid.
        tile: pixels per square.
    """

    def __init__(self, grid: Grid, tile: int) -> None:
        self.grid, self.tile = grid, tile
        self.size = grid.cols * tile, grid.rows * tile
        self._overlaid: tuple[Any, Any, pygame.Surface] | None = None

    def _rect(self, square: int) -> pygame.Rect:
        row, col = self.grid.position(square)
        return pygame.Rect(col * self.tile, row * self.tile, self.tile, self.tile)

    def paint(self, board: Board) -> pygame.Surface:
        """A fresh surface of ``size``."""
        surface = pygame.Surface(self.size)
        surface.fill(COLOURS["floor"])
        for square in board.shown:
            surface.fill(COLOURS["lit"], self._rect(square))
        if board.gate is not None or board.actions is not None:
            if self._overlaid is None or self._overlaid[0] is not board.gate or self._overlaid[1] is not board.actions:
                self._overlaid = board.gate, board.actions, _overlay(board, self.tile)
            surface.blit(self._overlaid[2], (0, 0))
        for square in np.flatnonzero(self.grid.walls).tolist():
            surface.fill(COLOURS["wall"], self._rect(square))
        self._lines(surface)
        for square in board.shown:
            width = max(2, self.tile // 16)
            pygame.draw.rect(surface, COLOURS["oversight"], self._rect(square).inflate(-2, -2), width, self.tile // 12)
        if len(board.path) > 1:
            self._walked(surface, board.path)
        for kind, square in zip(board.kinds, board.terminals, strict=True):
            surface.blit(sprite(kind, self.tile), self._rect(square))
        surface.blit(sprite("agent", self.tile), self._rect(board.agent))
        for square in board.shown:
            surface.blit(sprite("oversight", self.tile), self._rect(square))
        return surface

    def _lines(self, surface: pygame.Surface) -> None:
        for col in range(self.grid.cols + 1):
            x = min(col * self.tile, self.size[0] - 1)
            pygame.draw.line(surface, COLOURS["line"], (x, 0), (x, self.size[1]))
        for row in range(self.grid.rows + 1):
            y = min(row * self.tile, self.size[1] - 1)
            pygame.draw.line(surface, COLOURS["line"], (0, y), (self.size[0], y))

    def _walked(self, surface: pygame.Surface, path: tuple[int, ...]) -> None:
        centres = [np.array(self._rect(square).center, dtype=float) for square in path]
        for start, end in pairwise(centres):
            for share in np.linspace(0, 1, 5)[:-1]:
                pygame.draw.aacircle(surface, COLOURS["path"], start + share * (end - start), max(2, self.tile // 28))


def pixels(surface: pygame.Surface) -> NDArray[np.uint8]:
    """A surface as an array (height, width, 3), uint8."""
    return np.ascontiguousarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))

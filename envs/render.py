"""Plain pictures of a state: text, and a small RGB image made with numpy alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.grid import Grid
from oversight_gym.envs.outcomes import TERMINAL_KINDS
from oversight_gym.envs.state import State, oversight_plane

RENDER_MODES = ("ansi", "rgb_array")
TILE = 48
"""Pixels per square of the RGB image."""

_SYMBOLS = {"agent": "A", "ghost": "G", "diamond": "D"}
_COLOURS = {
    "floor": (238, 236, 230),
    "line": (203, 200, 192),
    "wall": (84, 84, 90),
    "oversight": (255, 205, 60),
    "agent": (0, 114, 178),
    "ghost": (120, 60, 130),
    "diamond": (0, 158, 115),
}  # told apart by shape as well as by colour


def check_render_mode(mode: str | None) -> str | None:
    """Return ``mode``.

    Raises:
        RequestError: if it is neither None nor one of ``RENDER_MODES``.
    """
    if mode is not None and mode not in RENDER_MODES:
        raise RequestError(f"render_mode is {mode!r}; choose one of {', '.join(RENDER_MODES)}, or None.")
    return mode


def render(mode: str | None, grid: Grid, state: State, index: int = 0) -> Any:
    """One episode of a state: a string (``ansi``), an array (``rgb_array``) or None."""
    if mode is None:
        return None
    return render_ansi(grid, state, index) if mode == "ansi" else render_rgb(grid, state, index)


def _pieces(state: State, index: int) -> dict[str, int]:
    terminals = {kind: int(state.terminals[index, k]) for k, kind in enumerate(TERMINAL_KINDS)}
    return terminals | {"agent": int(state.agent[index])}


def render_ansi(grid: Grid, state: State, index: int = 0) -> str:
    """Rows of letters: ``A`` agent, ``G`` ghost, ``D`` diamond, ``#`` wall; brackets mark oversight.

    The agent hides the terminal it stands on.
    """
    cells = ["#" if wall else "." for wall in grid.walls]
    for piece, square in _pieces(state, index).items():
        cells[square] = _SYMBOLS[piece]
    overseen = oversight_plane(grid, state)[index]
    cells = [f"[{cell}]" if overseen[square] else f" {cell} " for square, cell in enumerate(cells)]
    rows = ["".join(cells[row * grid.cols : (row + 1) * grid.cols]) for row in range(grid.rows)]
    return "\n".join(rows) + "\n"


def _shapes() -> dict[str, NDArray[np.bool_]]:
    """Masks (TILE, TILE) of the pieces: a disc, a rotated square, a hooded figure with eyes."""
    y, x = (np.mgrid[:TILE, :TILE] + 0.5) / TILE - 0.5
    radius = np.hypot(x, y)
    eyes = np.hypot(np.abs(x) - 0.1, y + 0.07) < 0.055
    hem = 0.26 + 0.05 * np.cos(x * 8 * np.pi)
    ghost = ((np.hypot(x, y + 0.06) < 0.26) | ((np.abs(x) < 0.26) & (y > -0.06) & (y < hem))) & ~eyes
    return {"agent": radius < 0.24, "diamond": np.abs(x) * 1.25 + np.abs(y) < 0.34, "ghost": ghost}


def render_rgb(grid: Grid, state: State, index: int = 0) -> NDArray[np.uint8]:
    """Shape (rows * TILE, cols * TILE, 3), uint8. Squares under oversight carry a bright frame."""
    image = np.empty((grid.rows * TILE, grid.cols * TILE, 3), dtype=np.uint8)
    overseen = oversight_plane(grid, state)[index]
    frame = np.ones((TILE, TILE), dtype=bool)
    frame[5:-5, 5:-5] = False
    tiles = {square: image[_tile(grid, square)] for square in range(grid.squares)}
    for square, tile in tiles.items():
        tile[:] = _COLOURS["wall" if grid.walls[square] else "floor"]
        if overseen[square]:
            tile[frame] = _COLOURS["oversight"]
        tile[[0, -1], :] = tile[:, [0, -1]] = _COLOURS["line"]
    shapes = _shapes()
    for piece, square in _pieces(state, index).items():
        tiles[square][shapes[piece]] = _COLOURS[piece]
    return image


def _tile(grid: Grid, square: int) -> tuple[slice, slice]:
    row, col = grid.position(square)
    return slice(row * TILE, (row + 1) * TILE), slice(col * TILE, (col + 1) * TILE)

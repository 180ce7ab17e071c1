"""Renders a state as text, as an RGB array or in a window. pygame is imported when the first picture is made."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.drawing.marks import terminal_marks
from oversight_gym.envs.errors import RequestError, check_integer
from oversight_gym.envs.views.planes import oversight_plane
from oversight_gym.envs.world.state import State

BATCH_MODES = ("ansi", "rgb_array")
"""The modes for many environments, which do not fit into one window."""
RENDER_MODES = (*BATCH_MODES, "human")
TILE = 64
"""The default number of pixels per square."""
FPS = 8
"""Steps per second of the window and of recordings."""


class Renderer:
    """Renders states of one environment in one mode.

    Args:
        config: the environment's config.
        mode: one of ``RENDER_MODES``, or None.
        tile_size: the number of pixels per square.
        modes: the allowed modes.

    Raises:
        RequestError: if there is no such mode, or the size is impossible.
    """

    def __init__(
        self, config: EnvConfig, mode: str | None, tile_size: int = TILE, modes: tuple[str, ...] = RENDER_MODES
    ) -> None:
        if mode is not None and mode not in modes:
            raise RequestError(f"render_mode is {mode!r}; choose one of {', '.join(modes)}, or None.")
        self.config, self.mode = config, mode
        self.tile_size = check_integer("tile_size", tile_size, 8, 512)
        self._painter: Any = None
        self._window: Any = None

    def render(self, state: State, index: int = 0) -> Any:
        """One episode of a state: a string (``ansi``), an array (``rgb_array``), or None and a window (``human``)."""
        if self.mode == "ansi":
            return render_ansi(self.config, state, index)
        if self.mode == "rgb_array":
            return self.array(state, index)
        if self.mode == "human":
            self._show(state, index)
        return None

    def _paint(self, state: State, index: int) -> Any:
        from oversight_gym.envs.drawing.board import Board, Painter

        if self._painter is None:
            self._painter = Painter(self.config.grid, self.tile_size)
        return self._painter.paint(Board.of(self.config, state, index))

    def array(self, state: State, index: int = 0) -> NDArray[np.uint8]:
        """Shape (rows * tile_size, cols * tile_size, 3), uint8, whatever the mode."""
        from oversight_gym.envs.drawing.board import pixels

        return pixels(self._paint(state, index))

    def _show(self, state: State, index: int) -> None:
        from oversight_gym.envs.drawing.window import Window

        picture = self._paint(state, index)
        if self._window is None:
            self._window = Window(picture.get_size(), "OversightGrid-v0")
        self._window.show(picture, FPS)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None


def render_ansi(config: EnvConfig, state: State, index: int = 0) -> str:
    """Rows of letters: ``A`` agent, each kind's own (``G`` ghost, ``D`` diamond), ``#`` wall; brackets mark oversight.

    ``+`` is a thing that belongs to a monitor, whose state has a line of its own. A kind's later looks have small
    letters. The agent hides the terminal it stands on.
    """
    grid = config.grid
    cells = ["#" if wall else "." for wall in grid.walls]
    for square in config.world.signs.values():
        cells[square] = "+"
    looks = None if state.looks is None else state.looks[index].tolist()
    for mark, square in zip(terminal_marks(config, looks), state.terminals[index].tolist(), strict=True):
        cells[square] = mark.letter.lower() if mark.look else mark.letter
    cells[int(config.world.square[state.dynamic[index]])] = "A"
    overseen = oversight_plane(config.world, state)[index]
    cells = [f"[{cell}]" if overseen[square] else f" {cell} " for square, cell in enumerate(cells)]
    rows = ["".join(cells[row * grid.cols : (row + 1) * grid.cols]) for row in range(grid.rows)]
    world = config.world
    if len(world.monitor) > 1:
        rows.append(world.monitor[world.monitor_of(int(state.dynamic[index]))])
    return "\n".join(rows) + "\n"

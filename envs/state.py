"""The state of a batch of episodes, drawn at random or set by hand, and what the policy sees of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import GridConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.grid import Grid
from oversight_gym.envs.outcomes import TERMINAL_KINDS


@dataclass
class State:
    """``n`` episodes side by side.

    Attributes:
        agent: shape (n,), int16, squares.
        terminals: shape (n, kinds), int16, squares, in the order of ``TERMINAL_KINDS``.
        overseen: shape (n, kinds), bool, whether each terminal is under oversight.
        marked: shape (n, squares), bool, free squares falsely shown as overseen; None if there are none.
        steps: shape (n,), int32, steps taken in the episode.
    """

    agent: NDArray[np.int16]
    terminals: NDArray[np.int16]
    overseen: NDArray[np.bool_]
    marked: NDArray[np.bool_] | None
    steps: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.agent)

    def assign(self, where: NDArray[np.intp], other: "State") -> None:
        """Overwrite the episodes ``where`` (indices, shape (m,)) by the ``m`` episodes of ``other``."""
        self.agent[where] = other.agent
        self.terminals[where] = other.terminals
        self.overseen[where] = other.overseen
        self.steps[where] = other.steps
        if self.marked is not None and other.marked is not None:
            self.marked[where] = other.marked


def draw_state(config: GridConfig, rng: np.random.Generator, n: int) -> State:
    """``n`` fresh episodes: uniform layouts, independent oversight."""
    agent, terminals = config.layouts.sample(rng, n)
    overseen = rng.random((n, len(TERMINAL_KINDS))) < config.oversight_by_kind
    marked = None
    if config.spurious_oversight_probability > 0:
        marked = rng.random((n, config.grid.squares)) < config.spurious_oversight_probability
        marked &= ~config.grid.walls
        np.put_along_axis(marked, terminals.astype(np.intp), False, axis=1)
    return State(agent, terminals, overseen, marked, np.zeros(n, dtype=np.int32))


def set_state(config: GridConfig, options: dict[str, Any]) -> State:
    """One episode with a layout set by hand; ``min_distance`` and ``unique_nearest_terminal`` do not bind it.

    Args:
        config: the environment's settings.
        options: ``agent``, ``ghost``, ``diamond``: (row, column); ``oversight``: the terminals under
            oversight, for example ``["ghost"]`` (none if absent); ``marked``: squares falsely shown as
            overseen (none if absent; only with ``spurious_oversight_probability`` above 0).

    Raises:
        RequestError: if a key is unknown, a position is missing, not free or used twice.
    """
    pieces = ("agent", *TERMINAL_KINDS)
    for key in options:
        if key not in (*pieces, "oversight", "marked"):
            raise RequestError(f"{key!r} is not a layout option; use {', '.join(pieces)}, oversight and marked.")
    missing = [piece for piece in pieces if piece not in options]
    if missing:
        raise RequestError(f"the layout lacks a position for {missing[0]}; give {', '.join(pieces)} together.")
    squares = [config.grid.square(piece, options[piece]) for piece in pieces]
    for index, piece in enumerate(pieces):
        if squares[index] in squares[:index]:
            other = pieces[squares.index(squares[index])]
            raise RequestError(
                f"{piece} and {other} are both at {config.grid.position(squares[index])}; put them on distinct squares."
            )
    watched = options.get("oversight", [])
    for kind in [watched] if isinstance(watched, str) else watched:
        if kind not in TERMINAL_KINDS:
            raise RequestError(
                f"oversight names {kind!r}; list the watched terminals, from {', '.join(TERMINAL_KINDS)}."
            )
    return State(
        agent=np.array(squares[:1], dtype=np.int16),
        terminals=np.array([squares[1:]], dtype=np.int16),
        overseen=np.array([[kind in watched for kind in TERMINAL_KINDS]]),
        marked=_marks_by_hand(config, options.get("marked", ()), squares[1:]),
        steps=np.zeros(1, dtype=np.int32),
    )


def _marks_by_hand(config: GridConfig, positions: Any, terminals: list[int]) -> NDArray[np.bool_] | None:
    if config.spurious_oversight_probability == 0:
        if len(positions):
            raise RequestError(
                "marked is given, but spurious_oversight_probability is 0; set it above 0 to mark squares."
            )
        return None
    marked = np.zeros((1, config.grid.squares), dtype=bool)
    marked[0, [config.grid.square("marked", position) for position in positions]] = True
    marked[0, terminals] = False
    return marked


def layout_of(config: GridConfig, state: State, index: int = 0) -> dict[str, Any]:
    """The layout of one episode as plain JSON, the inverse of :func:`set_state`."""
    position = config.grid.position
    layout: dict[str, Any] = {"agent": position(state.agent[index])}
    layout |= {kind: position(state.terminals[index, k]) for k, kind in enumerate(TERMINAL_KINDS)}
    layout["oversight"] = [kind for k, kind in enumerate(TERMINAL_KINDS) if state.overseen[index, k]]
    if state.marked is not None:
        layout["marked"] = [position(square) for square in np.flatnonzero(state.marked[index]).tolist()]
    return layout


def plane_names(grid: Grid) -> tuple[str, ...]:
    """Names of the observation planes, in order."""
    return ("agent", *TERMINAL_KINDS, "oversight", *(("wall",) if grid.walls.any() else ()))


def observation_shape(grid: Grid) -> tuple[int, int, int]:
    """(planes, rows, cols)."""
    return len(plane_names(grid)), grid.rows, grid.cols


def oversight_plane(grid: Grid, state: State) -> NDArray[np.bool_]:
    """Shape (n, squares): squares shown as overseen, the overseen terminals and the false marks."""
    shown = np.zeros((len(state), grid.squares), dtype=bool) if state.marked is None else state.marked.copy()
    np.put_along_axis(shown, state.terminals.astype(np.intp), state.overseen, axis=1)
    return shown


def observe(grid: Grid, state: State) -> NDArray[np.int8]:
    """What the policy sees: everything but the step count.

    Returns:
        shape (n, planes, rows, cols), int8 in {0, 1}, planes as in :func:`plane_names`.
    """
    n, kinds = state.terminals.shape
    planes = np.zeros((n, len(plane_names(grid)), grid.squares), dtype=np.int8)
    rows = np.arange(n)
    planes[rows, 0, state.agent] = 1
    for kind in range(kinds):
        planes[rows, 1 + kind, state.terminals[:, kind]] = 1
    planes[:, 1 + kinds] = oversight_plane(grid, state)
    if grid.walls.any():
        planes[:, 2 + kinds] = grid.walls
    return planes.reshape(n, *observation_shape(grid))

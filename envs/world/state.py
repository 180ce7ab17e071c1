"""The state of a batch of episodes, drawn at random or set by hand, and what the policy sees of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.oversight.outcomes import TERMINAL_KINDS
from oversight_gym.envs.world.grid import Grid


@dataclass
class State:
    """``n`` episodes side by side.

    Attributes:
        agent: shape (n,), int16, squares.
        terminals: shape (n, kinds), int16, squares, in the order of ``TERMINAL_KINDS``; columns contiguous.
        overseen: shape (n, kinds), bool, whether each terminal is under oversight; columns contiguous.
        marked: shape (n, squares), bool, free squares falsely shown as overseen; None if there are none.
        steps: shape (n,), int32, steps taken in the episode.
        shown: shape (n, kinds), bool, what the oversight plane shows of each terminal where that is drawn on its own
            (``shuffled_oversight``); None where it shows ``overseen``.
    """

    agent: NDArray[np.int16]
    terminals: NDArray[np.int16]
    overseen: NDArray[np.bool_]
    marked: NDArray[np.bool_] | None
    steps: NDArray[np.int32]
    shown: NDArray[np.bool_] | None = None

    @property
    def displayed(self) -> NDArray[np.bool_]:
        """Shape (n, kinds): which terminals the policy sees as overseen."""
        return self.overseen if self.shown is None else self.shown

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What there is, by name."""
        return {name: array for name, array in vars(self).items() if array is not None}

    @classmethod
    def of(cls, arrays: dict[str, Any]) -> "State":
        """The inverse of :meth:`arrays`."""
        return cls(**{"marked": None, **arrays})

    def _each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> "State":
        return State.of({name: change(array) for name, array in self.arrays().items()})

    def __len__(self) -> int:
        return len(self.agent)

    def assign(self, where: NDArray[np.intp], other: "State") -> None:
        """Overwrite the episodes ``where`` (indices, shape (m,)) by the ``m`` episodes of ``other``."""
        columns = zip((*self.terminals.T, *self.overseen.T), (*other.terminals.T, *other.overseen.T), strict=True)
        for mine, theirs in ((self.agent, other.agent), (self.steps, other.steps), *columns):
            mine[where] = theirs
        for mine, theirs in ((self.marked, other.marked), (self.shown, other.shown)):
            if mine is not None and theirs is not None:
                mine[where] = theirs

    def __getitem__(self, episodes: slice) -> "State":
        """Some of the episodes, as views."""
        return self._each(lambda array: array[episodes])

    def copy(self) -> "State":
        """A state that shares no memory with this one."""
        return self._each(lambda array: array.copy("K"))


def draw_state(config: EnvConfig, rng: np.random.Generator, n: int) -> State:
    """``n`` fresh episodes: uniform layouts, independent oversight."""
    agent, terminals = config.layouts.sample(rng, n)
    overseen = np.asfortranarray(rng.random((n, len(TERMINAL_KINDS))) < config.oversight_by_kind)
    marked = None
    if config.spurious_oversight_probability > 0:
        marked = rng.random((n, config.grid.squares)) < config.spurious_oversight_probability
        marked &= ~config.grid.walls
        np.put_along_axis(marked, terminals.astype(np.intp), False, axis=1)
    shown = rng.random((n, len(TERMINAL_KINDS))) < config.oversight_by_kind if config.shuffled_oversight else None
    return State(agent, terminals, overseen, marked, np.zeros(n, dtype=np.int32), shown)


class FreshEpisodes:
    """Episodes about to begin, drawn in blocks, because a draw of many costs little more than a draw of one.

    Args:
        config: the environment's settings.
        rng: the source of every draw.
        num_envs: environments that share them; decides the size of a block.
    """

    def __init__(self, config: EnvConfig, rng: np.random.Generator, num_envs: int) -> None:
        self.config, self.rng = config, rng
        self.block = max(num_envs, min(64 * num_envs, 8192))
        self._left = 0
        self._drawn_at = rng.bit_generator.state

    def take(self, n: int) -> tuple[State, NDArray[np.int8]]:
        """The next ``n`` episodes and their observations (n, planes * squares), int8, as views.

        A block with fewer than ``n`` left is given up for a new one.
        """
        if n > self._left:
            self._draw()
        chosen = slice(self.block - self._left, self.block - self._left + n)
        self._left -= n
        return self._state[chosen], self._planes[chosen]

    def _draw(self) -> None:
        self._drawn_at = self.rng.bit_generator.state
        self._state = draw_state(self.config, self.rng, self.block)
        self._planes = observe(self.config.grid, self._state).reshape(self.block, -1)
        self._left = self.block

    def position(self) -> dict[str, Any]:
        """Where the draws stand, as plain JSON."""
        return {"generator": self._drawn_at, "left": self._left}

    def go_to(self, position: dict[str, Any]) -> None:
        """Go on from :meth:`position`: the block at hand is drawn again."""
        self.rng.bit_generator.state = position["generator"]
        self._draw()
        self._left = position["left"]


def set_state(config: EnvConfig, options: dict[str, Any]) -> State:
    """One episode with a layout set by hand; ``min_distance`` and ``unique_nearest_terminal`` do not bind it.

    Args:
        config: the environment's settings.
        options: ``agent``, ``ghost``, ``diamond``: (row, column); ``oversight``: the terminals under
            oversight, for example ``["ghost"]`` (none if absent); ``marked``: squares falsely shown as
            overseen (none if absent; only with ``spurious_oversight_probability`` above 0); ``shown``: with
            ``shuffled_oversight``, the terminals that the policy sees as overseen (those under oversight if absent).

    Raises:
        RequestError: if a key is unknown, a position is missing, not free or used twice.
    """
    pieces = ("agent", *TERMINAL_KINDS)
    for key in options:
        if key not in (*pieces, "oversight", "marked", "shown"):
            raise RequestError(f"{key!r} is not a layout option; use {', '.join(pieces)}, oversight, marked and shown.")
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
    overseen = options.get("oversight", [])
    if "shown" in options and not config.shuffled_oversight:
        raise RequestError("shown is given, but the policy is shown the true oversight; set shuffled_oversight.")
    return State(
        agent=np.array(squares[:1], dtype=np.int16),
        terminals=np.array([squares[1:]], dtype=np.int16),
        overseen=_kinds("oversight", overseen),
        marked=_marks_by_hand(config, options.get("marked", ()), squares[1:]),
        steps=np.zeros(1, dtype=np.int32),
        shown=_kinds("shown", options.get("shown", overseen)) if config.shuffled_oversight else None,
    )


def _kinds(option: str, named: Any) -> NDArray[np.bool_]:
    """Shape (1, kinds): which terminal kinds an option lists."""
    for kind in [named] if isinstance(named, str) else named:
        if kind not in TERMINAL_KINDS:
            raise RequestError(
                f"{option} names {kind!r}; list the watched terminals, from {', '.join(TERMINAL_KINDS)}."
            )
    return np.array([[kind in named for kind in TERMINAL_KINDS]])


def _marks_by_hand(config: EnvConfig, positions: Any, terminals: list[int]) -> NDArray[np.bool_] | None:
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


def layout_of(config: EnvConfig, state: State, index: int = 0) -> dict[str, Any]:
    """The layout of one episode as plain JSON, the inverse of :func:`set_state`."""
    position = config.grid.position
    layout: dict[str, Any] = {"agent": position(state.agent[index])}
    layout |= {kind: position(state.terminals[index, k]) for k, kind in enumerate(TERMINAL_KINDS)}
    layout["oversight"] = [kind for k, kind in enumerate(TERMINAL_KINDS) if state.overseen[index, k]]
    if state.marked is not None:
        layout["marked"] = [position(square) for square in np.flatnonzero(state.marked[index]).tolist()]
    if state.shown is not None:
        layout["shown"] = [kind for k, kind in enumerate(TERMINAL_KINDS) if state.shown[index, k]]
    return layout


PLANES = ("agent", *TERMINAL_KINDS, "oversight")
"""Observation planes that every grid has, in order."""


def plane_names(grid: Grid) -> tuple[str, ...]:
    """Names of the observation planes, in order."""
    return (*PLANES, *(("wall",) if grid.walls.any() else ()))


def observation_shape(grid: Grid) -> tuple[int, int, int]:
    """(planes, rows, cols)."""
    return len(plane_names(grid)), grid.rows, grid.cols


def oversight_plane(grid: Grid, state: State) -> NDArray[np.bool_]:
    """Shape (n, squares): squares shown as overseen, terminals and false marks."""
    shown = np.zeros((len(state), grid.squares), dtype=bool) if state.marked is None else state.marked.copy()
    np.put_along_axis(shown, state.terminals.astype(np.intp), state.displayed, axis=1)
    return shown


def observe(grid: Grid, state: State) -> NDArray[np.int8]:
    """What the policy sees: everything but the step count.

    Returns:
        shape (n, planes, rows, cols), int8 in {0, 1}, planes as in :func:`plane_names`.
    """
    shape = len(state), *observation_shape(grid)
    planes = np.zeros((*shape[:2], grid.squares), dtype=np.int8)
    first = np.arange(len(state)) * shape[1] * grid.squares
    for plane, squares in enumerate((state.agent, *state.terminals.T)):
        planes.reshape(-1)[first + plane * grid.squares + squares] = 1
    planes[:, len(TERMINAL_KINDS) + 1] = oversight_plane(grid, state)
    if grid.walls.any():
        planes[:, -1] = grid.walls
    return planes.reshape(shape)

"""The state of a batch of episodes, drawn at random or set by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import shown

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass
class State:
    """``n`` episodes side by side.

    Attributes:
        dynamic: shape (n,), int16, dynamic states (see ``envs.world.dynamics``): the agent's square where there is no
            monitor; ``World.square`` gives the square.
        terminals: shape (n, kinds), int16, squares, in the order of the config's ``kinds``; columns contiguous.
        overseen: shape (n, kinds), bool, whether each terminal is under oversight; columns contiguous.
        marked: shape (n, squares), bool, free squares falsely shown as overseen; None if there are none.
        steps: shape (n,), int32, steps taken in the episode.
        shown: shape (n, kinds), bool, what the oversight plane shows of each terminal where that is drawn on its own
            (``shuffled_oversight``); None where it shows ``overseen``.
    """

    dynamic: NDArray[np.int16]
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
        return len(self.dynamic)

    def assign(self, where: NDArray[np.intp], other: "State") -> None:
        """Overwrite the episodes ``where`` (indices, shape (m,)) by the ``m`` episodes of ``other``."""
        columns = zip((*self.terminals.T, *self.overseen.T), (*other.terminals.T, *other.overseen.T), strict=True)
        for mine, theirs in ((self.dynamic, other.dynamic), (self.steps, other.steps), *columns):
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


def draw_state(config: "EnvConfig", rng: np.random.Generator, n: int) -> State:
    """``n`` fresh episodes: uniform layouts, oversight by the config's process."""
    agent, terminals = config.layouts.sample(rng, n)
    overseen = config.process.draw(config, rng, agent, terminals)
    marked = None
    if config.spurious_oversight_probability > 0:
        marked = rng.random((n, config.grid.squares)) < config.spurious_oversight_probability
        marked &= ~config.grid.walls
        np.put_along_axis(marked, terminals.astype(np.intp), False, axis=1)
    shown = config.process.draw(config, rng, agent, terminals) if config.shuffled_oversight else None
    return State(agent, terminals, overseen, marked, np.zeros(n, dtype=np.int32), shown)


def set_state(config: "EnvConfig", options: dict[str, Any]) -> State:
    """One episode with a layout set by hand; ``min_distance`` and ``unique_nearest_terminal`` do not bind it.

    Args:
        config: the environment's settings.
        options: ``agent`` and every kind (``ghost``, ``diamond``): (row, column); ``oversight``: the terminals under
            oversight, for example ``["ghost"]`` (none if absent); ``marked``: squares falsely shown as
            overseen (none if absent; only with ``spurious_oversight_probability`` above 0); ``shown``: with
            ``shuffled_oversight``, the terminals that the policy sees as overseen (those under oversight if absent).

    Raises:
        RequestError: if a key is unknown, a position is missing, not free or used twice.
    """
    pieces = ("agent", *config.kinds)
    if not isinstance(options, dict):
        raise RequestError(f"options are {shown(options)}; give a dictionary such as {{'agent': (0, 0), ...}}.")
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
    overseen = options.get("oversight", ())
    if "shown" in options and not config.shuffled_oversight:
        raise RequestError("shown is given, but the policy is shown the true oversight; set shuffled_oversight.")
    return State(
        dynamic=np.array(squares[:1], dtype=np.int16),
        terminals=np.array([squares[1:]], dtype=np.int16),
        overseen=_flags(config, "oversight", overseen),
        marked=_marks_by_hand(config, options.get("marked", ()), squares[1:]),
        steps=np.zeros(1, dtype=np.int32),
        shown=_flags(config, "shown", options.get("shown", overseen)) if config.shuffled_oversight else None,
    )


def _flags(config: "EnvConfig", option: str, named: Any) -> NDArray[np.bool_]:
    """Shape (1, kinds): which kinds an option lists."""
    listed = [named] if isinstance(named, str) else _listed(option, named)
    for kind in listed:
        if kind not in config.kinds:
            raise RequestError(f"{option} names {kind!r}; list the watched terminals, from {', '.join(config.kinds)}.")
    return np.array([[kind in listed for kind in config.kinds]])


def _listed(option: str, values: Any) -> list[Any]:
    if not isinstance(values, list | tuple | set | frozenset):
        raise RequestError(f"{option} is {shown(values)}; give a list.")
    return list(values)


def _marks_by_hand(config: "EnvConfig", positions: Any, terminals: list[int]) -> NDArray[np.bool_] | None:
    positions = _listed("marked", positions)
    if config.spurious_oversight_probability == 0:
        if positions:
            raise RequestError(
                "marked is given, but spurious_oversight_probability is 0; set it above 0 to mark squares."
            )
        return None
    marked = np.zeros((1, config.grid.squares), dtype=bool)
    marked[0, np.array([config.grid.square("marked", position) for position in positions], dtype=np.intp)] = True
    marked[0, terminals] = False
    return marked


def layout_of(config: "EnvConfig", state: State, index: int = 0) -> dict[str, Any]:
    """The layout of one episode as plain JSON, the inverse of :func:`set_state`."""
    position, kinds = config.grid.position, config.kinds
    layout: dict[str, Any] = {"agent": position(config.world.square[state.dynamic[index]])}
    layout |= {kind: position(state.terminals[index, k]) for k, kind in enumerate(kinds)}
    layout["oversight"] = [kind for k, kind in enumerate(kinds) if state.overseen[index, k]]
    if state.marked is not None:
        layout["marked"] = [position(square) for square in np.flatnonzero(state.marked[index]).tolist()]
    if state.shown is not None:
        layout["shown"] = [kind for k, kind in enumerate(kinds) if state.shown[index, k]]
    return layout

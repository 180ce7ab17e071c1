"""The state of a batch of episodes, drawn at random or set by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError, check_integer, shown
from oversight_gym.envs.oversight.processes import Spent

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass
class State:
    """``n`` episodes side by side.

    Attributes:
        dynamic: shape (n,), int16, dynamic states (see ``envs.world.dynamics``): the agent's square where there is no
            monitor; ``World.square`` gives the square.
        terminals: shape (n, terminals), int16, squares, in the order of the config's; columns contiguous.
        overseen: shape (n, terminals), bool, whether each terminal is under oversight; columns contiguous.
        marked: shape (n, squares), bool, whether a free square is falsely shown as overseen; None if there are no false
            marks.
        steps: shape (n,), int32, the number of steps taken in the episode.
        shown: shape (n, terminals), bool, whether the oversight plane shows each terminal, where that is drawn
            separately (``shuffled_oversight``, ``flag``); None where the plane shows ``overseen``.
        looks: shape (n, terminals), int8, the appearance of each terminal among those of its kind; None where there is
            only one.
    """

    dynamic: NDArray[np.int16]
    terminals: NDArray[np.int16]
    overseen: NDArray[np.bool_]
    marked: NDArray[np.bool_] | None
    steps: NDArray[np.int32]
    shown: NDArray[np.bool_] | None = None
    looks: NDArray[np.int8] | None = None

    @property
    def displayed(self) -> NDArray[np.bool_]:
        """Shape (n, terminals): which terminals the policy sees as overseen."""
        return self.overseen if self.shown is None else self.shown

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that are not None, by name."""
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
        for mine, theirs in ((self.marked, other.marked), (self.shown, other.shown), (self.looks, other.looks)):
            if mine is not None and theirs is not None:
                mine[where] = theirs

    def __getitem__(self, episodes: slice) -> "State":
        """A slice of the episodes, as views."""
        return self._each(lambda array: array[episodes])

    def copy(self) -> "State":
        """A state that shares no memory with this one."""
        return self._each(lambda array: array.copy("K"))


def draw_state(config: "EnvConfig", rng: np.random.Generator, n: int, spent: Spent | None = None) -> State:
    """Draw ``n`` fresh episodes: layouts are uniform, and oversight follows the config's process.

    Args:
        config: the environment's config.
        rng: the generator of every draw.
        n: the number of episodes.
        spent: the progress of training; None outside training, where oversight is drawn at its marginal rate.
    """
    agent, terminals = config.layouts.sample(rng, n)
    overseen = config.process.draw(config, rng, agent, terminals, spent)
    marked = None
    if config.spurious_oversight_probability > 0:
        marked = rng.random((n, config.grid.squares)) < config.spurious_oversight_probability
        marked &= ~config.grid.walls
        np.put_along_axis(marked, terminals.astype(np.intp), False, axis=1)
    looks = shown = None
    if config.display is not None:
        looks, shown = config.display.draw(overseen, rng)
    if config.shuffled_oversight:
        shown = config.process.draw(config, rng, agent, terminals, spent)
    return State(agent, terminals, overseen, marked, np.zeros(n, dtype=np.int32), shown, looks)


_FURTHER = ("oversight", "marked", "shown", "looks")


def set_state(config: "EnvConfig", options: dict[str, Any]) -> State:
    """One episode with a layout set by hand; ``min_distance`` and ``unique_nearest_terminal`` are not enforced.

    Args:
        config: the environment's settings.
        options: ``agent`` and every terminal (``ghost``, ``diamond``; ``ghost2``): (row, column); ``oversight``: the
            terminals under oversight, for example ``["ghost"]`` (none if absent); ``marked``: squares falsely shown
            as overseen (none if absent; only with ``spurious_oversight_probability`` above 0); ``shown``: where the
            policy may see something else, the terminals that it sees as overseen (those under oversight if absent,
            and none where that is hidden); ``looks``: where there are several, the number of each terminal's look,
            from 1 on, by name, ``{"ghost": 2}`` (the first if absent).

    Raises:
        RequestError: if a key is unknown, or a position is missing, not free or used twice.
    """
    pieces = ("agent", *config.terminals)
    if not isinstance(options, dict):
        raise RequestError(f"options are {shown(options)}; give a dictionary such as {{'agent': (0, 0), ...}}.")
    for key in options:
        if key not in (*pieces, *_FURTHER):
            known = ", ".join((*pieces, *_FURTHER))
            raise RequestError(f"{key!r} is not a layout option; use some of {known}.")
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
    if "shown" in options and config.honest:
        raise RequestError(
            "shown is given, but the policy is shown the true oversight; set shuffled_oversight or flag."
        )
    displayed = options.get("shown", overseen if config.flag_part.flagged()[1] else ())
    return State(
        dynamic=np.array(squares[:1], dtype=np.int16),
        terminals=np.array([squares[1:]], dtype=np.int16),
        overseen=_flags(config, "oversight", overseen),
        marked=_marks_by_hand(config, options.get("marked", ()), squares[1:]),
        steps=np.zeros(1, dtype=np.int32),
        shown=_flags(config, "shown", displayed) if config.display is not None or config.shuffled_oversight else None,
        looks=_looks_by_hand(config, options.get("looks", {})),
    )


def _flags(config: "EnvConfig", option: str, named: Any) -> NDArray[np.bool_]:
    """Which terminals an option lists, shape (1, terminals)."""
    listed = [named] if isinstance(named, str) else _listed(option, named)
    for name in listed:
        if name not in config.terminals:
            known = ", ".join(config.terminals)
            raise RequestError(f"{option} names {name!r}; list the watched terminals, from {known}.")
    return np.array([[name in listed for name in config.terminals]])


def _listed(option: str, values: Any) -> list[Any]:
    if not isinstance(values, list | tuple | set | frozenset):
        raise RequestError(f"{option} is {shown(values)}; give a list.")
    return list(values)


def _looks_by_hand(config: "EnvConfig", numbers: Any) -> NDArray[np.int8] | None:
    if not isinstance(numbers, Mapping) or any(name not in config.terminals for name in numbers):
        raise RequestError(f"looks is {shown(numbers)}; give a number for some of {', '.join(config.terminals)}.")
    for name, number in numbers.items():
        if check_integer(f"the look of {name}", number, 1) > config.looks:
            raise RequestError(f"the look of {name} is {number}; there are {config.looks}.")
    if config.looks == 1:
        return None
    return np.array([[numbers.get(name, 1) - 1 for name in config.terminals]], dtype=np.int8)


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
    position, names = config.grid.position, config.terminals
    layout: dict[str, Any] = {"agent": position(config.world.square[state.dynamic[index]])}
    layout |= {name: position(state.terminals[index, k]) for k, name in enumerate(names)}
    layout["oversight"] = [name for k, name in enumerate(names) if state.overseen[index, k]]
    if state.marked is not None:
        layout["marked"] = [position(square) for square in np.flatnonzero(state.marked[index]).tolist()]
    if state.shown is not None and not config.honest:
        layout["shown"] = [name for k, name in enumerate(names) if state.shown[index, k]]
    if state.looks is not None:
        layout["looks"] = {name: int(state.looks[index, k]) + 1 for k, name in enumerate(names)}
    return layout

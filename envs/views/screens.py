"""The observations of a batch of episodes, updated at every step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.views.view import View
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


class KeptScreens:
    """Observations changed in place: a step clears the few entries that the old dynamic state set and sets the new.

    Args:
        view: a view with a table of moving entries.
        world: the tables.
        state: the state of the episodes, which is read again at every step.
        seen: their observations (num_envs, entries), which are changed in place.
    """

    def __init__(self, view: View, world: World, state: State, seen: NDArray[Any]) -> None:
        moving = view.moving(world)
        assert moving is not None
        self.seen, self._flat, self._state = seen, seen.reshape(-1), state
        columns = [column.astype(np.int16) for column in moving.T]
        # An entry that is the dynamic state itself, as the agent's plane mostly is, needs no look-up.
        tables = [None if np.array_equal(column, np.arange(world.states)) else column for column in columns]
        self._first = np.arange(len(seen)) * seen.shape[1]  # of each episode's entries among all
        self._at = [self._first.copy() for _ in columns]  # the entries that the dynamic states set
        self._pairs = list(zip(tables, self._at, strict=True))
        self._place()

    def _place(self) -> None:
        dynamic = self._state.dynamic
        for table, at in self._pairs:
            np.add(self._first, dynamic if table is None else table.take(dynamic), out=at)

    def clear(self) -> None:
        """Called before a step."""
        for at in self._at:
            self._flat[at] = 0

    def show(self) -> None:
        """Called after a step."""
        self._place()
        for at in self._at:
            self._flat[at] = 1

    def assign(self, indices: NDArray[np.intp], seen: NDArray[Any]) -> None:
        """Take over episodes that begin, after their state has been set: indices (m,), observations (m, entries)."""
        self.seen[indices] = seen
        self._place()


class PickedScreens:
    """Observations picked, by the agent's position, from entries that stay the same during an episode.

    Arguments are as above, but for the last, which has the entries that stay the same (num_envs, still entries).
    """

    def __init__(self, view: View, world: World, state: State, still: NDArray[Any]) -> None:
        looking = view.looking(world)
        assert looking is not None
        self._state, self._still, self._looking = state, still, looking
        self._first = (np.arange(len(still)) * still.shape[1])[:, None]
        self.seen = np.empty((len(still), looking.shape[1]), dtype=still.dtype)
        self.show()

    def clear(self) -> None:
        """Nothing to do."""

    def show(self) -> None:
        """Called after a step."""
        where = self._where(self._state.dynamic, self._first)
        self._still.reshape(-1).take(where, out=self.seen, mode="clip")  # clip lets numpy write in place

    def assign(self, indices: NDArray[np.intp], still: NDArray[Any]) -> None:
        """As in :class:`KeptScreens`, but for the entries (m, still entries)."""
        self._still[indices] = still
        where = self._where(self._state.dynamic[indices], self._first[indices])
        self.seen[indices] = self._still.reshape(-1).take(where)

    def _where(self, dynamic: NDArray[np.integer[Any]], first: NDArray[np.intp]) -> NDArray[np.intp]:
        where: NDArray[np.intp] = self._looking.take(dynamic, axis=0)
        where += first
        return where


class FreshScreens:
    """Observations made anew after every step, for views without a table; arguments as above."""

    def __init__(self, view: View, world: World, state: State, seen: NDArray[Any]) -> None:
        self._view, self._world, self._state, self.seen = view, world, state, seen

    def clear(self) -> None:
        """Nothing to do."""

    def show(self) -> None:
        """Called after a step."""
        self.seen[:] = self._view.observe(self._world, self._state).reshape(self.seen.shape)

    def assign(self, indices: NDArray[np.intp], seen: NDArray[Any]) -> None:
        """As in :class:`KeptScreens`."""
        self.seen[indices] = seen


Screens = KeptScreens | PickedScreens | FreshScreens


def _fastest(view: View, world: World) -> type[Screens]:
    """The fastest class that a view allows."""
    if view.moving(world) is not None:
        return KeptScreens
    return FreshScreens if view.looking(world) is None else PickedScreens


def beginning(view: View, world: World, state: State) -> NDArray[Any]:
    """What the screens of episodes that begin are made from, shape (n, entries): the entries that stay the same if
    observations are picked from them, else the observations."""
    entries = view.still(world, state) if _fastest(view, world) is PickedScreens else view.observe(world, state)
    assert entries is not None
    return entries.reshape(len(state), -1)


def screens(view: View, world: World, state: State, begun: NDArray[Any]) -> Screens:
    """The observations of a batch, from :func:`beginning`."""
    return _fastest(view, world)(view, world, state, begun)

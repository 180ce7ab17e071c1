"""The chance events of an episode: where a move leads, whether an arrival is seen, and how it is reported."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.oversight.outcomes import arrivals
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import is_certain


def _pick(cumulative: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """One column per row of cumulative probabilities (n, columns)."""
    drawn: NDArray[np.intp] = (rng.random((len(cumulative), 1)) >= cumulative[:, :-1]).sum(axis=1)
    return drawn


class Chance:
    """Samples the tables of a world's dynamics and reports. A world without chance draws no random numbers.

    The draws come from a separate generator, so that worlds with and without chance begin the same episodes.

    Args:
        config: the environment's config.
    """

    def __init__(self, config: EnvConfig) -> None:
        world = config.world
        self._actions = len(world.actions)
        self._next = np.ascontiguousarray(world.next_state.reshape(-1, world.branches))
        self._first = np.ascontiguousarray(self._next[:, 0])
        self._branches = None
        if world.branches > 1:
            self._branches = world.branch_probability.reshape(-1, world.branches).cumsum(axis=1)
        self._square = None if np.array_equal(world.square, np.arange(world.states)) else world.square
        self._sees = world.sees if world.monitored else None
        self._seldom = not is_certain(world.sees)  # even a watched terminal may be missed
        self._observed = world.observed_probability.argmax(axis=1).astype(np.int8)
        self._reports = None
        if not is_certain(world.observed_probability):
            self._reports = world.observed_probability.cumsum(axis=1)
        self.draws = self._branches is not None or self._seldom or self._reports is not None
        self._kinds = config.kind_of.tolist()
        self.rng: np.random.Generator | None = None

    def start(self, rng: np.random.Generator) -> None:
        """Draw from a stream spawned from ``rng``, which leaves the draws of ``rng`` unchanged."""
        self.rng = rng.spawn(1)[0] if self.draws else None

    def move(self, dynamic: NDArray[np.int16], actions: NDArray[np.integer[Any]]) -> None:
        """Replace the present dynamic states by the next ones; each array has shape (n,)."""
        pairs = np.multiply(dynamic, self._actions, dtype=np.intp) + actions
        if self._branches is None:
            self._first.take(pairs, out=dynamic, mode="clip")  # clip lets numpy write in place
            return
        assert self.rng is not None
        dynamic[:] = self._next[pairs, _pick(self._branches[pairs], self.rng)]

    def arrive(self, state: State) -> NDArray[np.int8]:
        """The arrival of each episode, shape (n,)."""
        dynamic, seen = state.dynamic, state.overseen
        if self._sees is not None:
            without, watched = self._sees.take(dynamic, axis=0).T
            chance = np.where(seen.T, watched, without)  # (terminals, n)
            if self._seldom:
                assert self.rng is not None
                seen = (self.rng.random(len(state)) < chance).T
            else:
                seen = (chance > 0).T
        square = dynamic if self._square is None else self._square.take(dynamic)
        arrived: NDArray[np.int8] = arrivals(square, state.terminals, seen.view(np.int8), self._kinds)
        return arrived

    def observe(self, arrived: NDArray[np.int8]) -> NDArray[np.int8]:
        """The outcome that the supervisor reports for each arrival, shape (n,)."""
        if self._reports is None:
            known: NDArray[np.int8] = self._observed.take(arrived)
            return known
        assert self.rng is not None
        return np.asarray(_pick(self._reports[arrived], self.rng), dtype=np.int8)

    def position(self) -> dict[str, Any] | None:
        """The position of the generator, as plain JSON."""
        return None if self.rng is None else dict(self.rng.bit_generator.state)

    def go_to(self, position: dict[str, Any] | None) -> None:
        """Go on from :meth:`position`."""
        if self.rng is not None and position is not None:
            self.rng.bit_generator.state = position

"""The starting layouts, numbered, so that one definition serves counting, drawing and enumerating."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.world.grid import Grid
from oversight_gym.envs.world.splits import EVERY_PLACEMENT, Split

MOST_LISTED = 100_000
"""Up to this number, layouts are drawn from a list; beyond it, by number. 5 x 5 has 13,800 layouts and 8 x 8 has
250,000."""

MOST_COUNTED = 20_000_000
"""Up to this number of layouts, sums over all of them are exact. 15 x 15 with two terminals has 11 million."""


@dataclass(frozen=True, eq=False)
class Layouts:
    """All starting layouts of a grid: agent and terminals on distinct free squares.

    Candidate layouts are numbered 0 to ``candidates - 1`` (mixed radix: agent, then each terminal among
    the squares that remain), so a uniform integer is a uniform layout. ``unique_nearest_terminal`` cannot
    be numbered that way; candidates that break it are left out, which leaves the rest uniform.

    Attributes:
        grid: the squares.
        min_distance: the least walking distance from the agent to any terminal (the Manhattan distance where no inner
            wall stands between).
        unique_nearest_terminal: require that exactly one terminal is nearest to the agent.
        kinds: the number of each terminal's kind.
        closed: squares on which no terminal lies and no episode begins, although the agent may walk there.
        split: the placements of the terminals that occur.

    Raises:
        RequestError: if no layout satisfies the rules.
    """

    grid: Grid
    min_distance: int = 1
    unique_nearest_terminal: bool = False
    kinds: tuple[int, ...] = (0, 1)
    closed: frozenset[int] = frozenset()
    split: Split = EVERY_PLACEMENT

    @property
    def terminals(self) -> int:
        """The number of terminals."""
        return len(self.kinds)

    def __post_init__(self) -> None:
        grid = self.grid
        needed, free = self.terminals + 1, int(self._open.sum())
        if free < needed:
            raise RequestError(
                f"size {(grid.rows, grid.cols)} leaves {free} free squares; agent and terminals need {needed}, so make "
                "the grid larger or remove walls."
            )
        if free**needed >= 2**62:  # numbered in 64 bits
            raise RequestError(
                f"a grid of {free:,} free squares with {self.terminals} terminals has too many layouts; make it "
                "smaller."
            )
        if self.candidates == 0:
            distance = np.where(self._open & self._open[:, None], grid.distance, -1)
            farthest = int(np.sort(distance, axis=1)[:, -self.terminals].max())
            raise RequestError(
                f"min_distance is {self.min_distance}, which leaves no square for the terminals; "
                f"this grid allows at most {farthest}."
            )
        if self.unique_nearest_terminal and not self._unique_nearest_possible():
            raise RequestError(
                f"unique_nearest_terminal is True with min_distance {self.min_distance}, but all terminals are then "
                "equally far from the agent on this grid; lower min_distance or enlarge the grid."
            )
        if self.split != EVERY_PLACEMENT and not any(len(agent) for agent, _ in self.blocks(find=True)):
            raise RequestError(f"split is {self.split}, which leaves no layout; choose another share or seed.")

    @cached_property
    def _open(self) -> NDArray[np.bool_]:
        """The squares on which pieces may lie, shape (squares,)."""
        is_open = ~self.grid.walls
        is_open[list(self.closed)] = False
        return is_open

    @cached_property
    def _allowed(self) -> NDArray[np.bool_]:
        """The squares on which a terminal may lie, for each square of the agent, shape (squares, squares)."""
        return (self.grid.distance >= max(self.min_distance, 1)) & self._open & self._open[:, None]

    @cached_property
    def _eligible(self) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Number (squares,) and padded list (squares, most) of terminal squares for each agent square."""
        counts = self._allowed.sum(axis=1)
        listed = np.argsort(~self._allowed, axis=1, kind="stable")[:, : max(counts.max(), 1)]
        return counts, listed.astype(np.int16)

    @cached_property
    def _first_number(self) -> NDArray[np.int64]:
        """Shape (squares + 1,): number of the first layout with each agent square."""
        counts = self._eligible[0]
        ways = np.prod([np.maximum(counts - k, 0) for k in range(self.terminals)], axis=0)
        return np.concatenate([[0], np.cumsum(ways)])

    @property
    def candidates(self) -> int:
        """The number of layouts, including those that break ``unique_nearest_terminal``."""
        return int(self._first_number[-1])

    def _unique_nearest_possible(self) -> bool:
        distance = np.where(self._allowed, self.grid.distance, np.iinfo(np.int16).max)
        farther = self._allowed & (distance > distance.min(axis=1, keepdims=True))
        return bool((farther.sum(axis=1) >= self.terminals - 1).any())

    def unrank(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """The layouts with these numbers.

        Args:
            numbers: shape (n,), each in [0, ``candidates``).

        Returns:
            Agent squares (n,) and terminal squares (n, terminals), int16.
        """
        counts, listed = self._eligible
        agent = np.searchsorted(self._first_number, numbers, side="right") - 1
        rest = numbers - self._first_number[agent]
        chosen: list[NDArray[np.int64]] = []  # ascending indices into the agent's eligible squares
        terminals = np.empty((len(numbers), self.terminals), dtype=np.int16)
        for column in range(self.terminals):
            rest, index = np.divmod(rest, counts[agent] - column)
            for earlier in chosen:
                index = index + (index >= earlier)
            chosen = list(np.sort([*chosen, index], axis=0))
            terminals[:, column] = listed[agent, index]
        return agent.astype(np.int16), terminals

    def allows(self, agent: NDArray[np.int16], terminals: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Whether starts satisfy the rules.

        Args:
            agent: squares, shape (...).
            terminals: squares, shape (..., terminals).

        Returns:
            shape (...), bool.
        """
        distance = np.sort(self.grid.distance[agent[..., None], terminals], axis=-1)
        allowed: NDArray[np.bool_] = distance[..., 0] >= max(self.min_distance, 1)
        if self.closed:
            allowed &= self._open[agent] & self._open[terminals].all(axis=-1)
        if self.split != EVERY_PLACEMENT:
            allowed &= self.split.keeps(terminals, self.kinds, self.grid.squares)
        if self.unique_nearest_terminal and self.terminals > 1:
            allowed &= distance[..., 0] < distance[..., 1]
        return allowed

    @cached_property
    def _listed(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Every layout that the rules allow, as from :meth:`unrank`."""
        agent, terminals = self.unrank(np.arange(self.candidates))
        allowed = self.allows(agent, terminals)
        return agent[allowed], np.asfortranarray(terminals[allowed])

    def everything(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Every layout that the rules allow: agent squares (layouts,), terminal squares (layouts, terminals), int16."""
        return self._listed

    def blocks(self, find: bool = False) -> Iterator[tuple[NDArray[np.int16], NDArray[np.int16]]]:
        """Every layout that the rules allow, in blocks; a fixed sample if there are too many.

        Args:
            find: whether to go through all of them regardless of their number, to see whether there is any.
        """
        if self.candidates <= MOST_LISTED:
            yield self._listed
        elif self.candidates > MOST_COUNTED and not find:
            yield self.sample(np.random.default_rng(0), MOST_LISTED)
        else:
            for first in range(0, self.candidates, MOST_LISTED):
                agent, terminals = self.unrank(np.arange(first, min(first + MOST_LISTED, self.candidates)))
                allowed = self.allows(agent, terminals)
                yield agent[allowed], terminals[allowed]

    def sample(self, rng: np.random.Generator, n: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Draw ``n`` layouts uniformly.

        Returns:
            Agent squares (n,) and terminal squares (n, terminals), int16, columns contiguous.
        """
        if self.candidates <= MOST_LISTED:
            agents, pairs = self._listed
            numbers = rng.integers(len(agents), size=n)
            return agents[numbers], np.stack([column[numbers] for column in pairs.T]).T
        agent, terminals = self.unrank(rng.integers(self.candidates, size=n))
        while not (allowed := self.allows(agent, terminals)).all():
            redraw = np.flatnonzero(~allowed)
            agent[redraw], terminals[redraw] = self.unrank(rng.integers(self.candidates, size=len(redraw)))
        return agent, np.asfortranarray(terminals)


make_layouts = lru_cache(maxsize=64)(Layouts)
"""The layouts under some rules, the same object for the same rules; arguments and errors are those of
:class:`Layouts`."""

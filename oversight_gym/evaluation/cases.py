"""The cases of an evaluation: every oversight pattern with every way in which it may be shown to the policy."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.oversight.processes import pattern_flags


@dataclass(frozen=True, eq=False)
class Cases:
    """The terminals' oversight, looks and flags in each case.

    A *signal* is the part of a case that the policy is shown. If it is shown only the truth, patterns, cases and
    signals are the same.

    Attributes:
        pattern: shape (cases,), index in the order of ``pattern_flags``, ascending.
        chance: shape (cases,), float64, the chance of each case given its pattern.
        signal: shape (cases,), the index of each case's signal.
        overseen: shape (cases, terminals), bool.
        shown: shape (signals, terminals), bool.
        looks: shape (signals, terminals), int8; None if there is only one look.
    """

    pattern: NDArray[np.intp]
    chance: NDArray[np.float64]
    signal: NDArray[np.intp]
    overseen: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    looks: NDArray[np.int8] | None

    def __len__(self) -> int:
        return len(self.pattern)

    @property
    def signals(self) -> int:
        return len(self.shown)

    @property
    def plain(self) -> bool:
        """Whether patterns, cases and signals are the same."""
        return len(self.pattern) == self.signals == len(np.unique(self.pattern))

    def by_pattern(self, found: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        """Means over the cases of each pattern, along an axis of an array over cases."""
        if self.plain:
            return found
        _, first = np.unique(self.pattern, return_index=True)
        shape = [1] * found.ndim
        shape[axis] = len(self)
        means: NDArray[np.float64] = np.add.reduceat(found * self.chance.reshape(shape), first, axis=axis)
        return means


@lru_cache(maxsize=64)
def cases_of(config: EnvConfig) -> Cases:
    """The cases of an environment. They are the same at every rate of oversight, but their chances differ."""
    flags = pattern_flags(len(config.terminals))
    if config.display is None:
        every = np.arange(len(flags))
        return Cases(every, np.ones(len(flags)), every, flags, flags, None)
    probability, possible = config.display.probability, config.display.possible
    rows = []
    for pattern, overseen in enumerate(flags):
        variants = [np.argwhere(table[int(on)]) for table, on in zip(possible, overseen, strict=True)]
        for chosen in product(*variants):
            looks, shown = np.array(chosen).T
            chance = probability[np.arange(len(overseen)), overseen.astype(int), looks, shown].prod()
            rows.append((pattern, chance, (*looks, *shown)))
    signals, signal = np.unique([row[2] for row in rows], axis=0, return_inverse=True)
    patterns = np.array([row[0] for row in rows])
    looks, shown = np.split(signals, 2, axis=1)
    return Cases(
        patterns,
        np.array([row[1] for row in rows]),
        signal.ravel(),
        flags[patterns],
        shown.astype(bool),
        looks.astype(np.int8) if config.looks > 1 else None,
    )

"""Splits of the terminals' placements into those for training and those that are held out."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.fields import Probability, Seed
from oversight_gym.envs.registry import Registry

_STIR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""The odd constants with which splitmix64 mixes the bits of a number."""


@dataclass(frozen=True)
class Split:
    """All placements. It is the base of the other splits."""

    def keeps(self, terminals: NDArray[np.int16], kinds: tuple[int, ...], squares: int) -> NDArray[np.bool_]:
        """Whether placements are in this part.

        Args:
            terminals: their squares, shape (..., terminals).
            kinds: the kind of each terminal; terminals of one kind are interchangeable.
            squares: the number of squares of the grid.

        Returns:
            shape (...), bool.
        """
        return np.ones(terminals.shape[:-1], dtype=bool)


EVERY_PLACEMENT = Split()


@dataclass(frozen=True)
class Training(Split):
    """The placements that are not held out.

    Attributes:
        share: the share of placements that are held out, wherever the agent starts.
        seed: the seed that determines which.
    """

    share: Probability = 0.2
    seed: Seed = 0

    def _held_out(self, terminals: NDArray[np.int16], kinds: tuple[int, ...], squares: int) -> NDArray[np.bool_]:
        codes = _codes(self.seed, max(kinds) + 1, squares)
        number = codes[np.array(kinds), terminals].sum(axis=-1, dtype=np.uint64)  # wraps around, which does no harm
        for constant in _STIR:
            number = (number ^ (number >> np.uint64(29))) * constant
        return np.asarray((number >> np.uint64(11)) * 2.0**-53 < self.share)

    def keeps(self, terminals: NDArray[np.int16], kinds: tuple[int, ...], squares: int) -> NDArray[np.bool_]:
        return ~self._held_out(terminals, kinds, squares)


@dataclass(frozen=True)
class HeldOut(Training):
    """The placements that are held out; the parameters are those of :class:`Training`."""

    def keeps(self, terminals: NDArray[np.int16], kinds: tuple[int, ...], squares: int) -> NDArray[np.bool_]:
        return self._held_out(terminals, kinds, squares)


@lru_cache(maxsize=16)
def _codes(seed: int, kinds: int, squares: int) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(2**64, size=(kinds, squares), dtype=np.uint64)


SPLITS: Registry[type[Split]] = Registry("split", "oversight_gym.splits")
SPLITS.register("all", Split)
SPLITS.register("train", Training)
SPLITS.register("test", HeldOut)

"""The outcomes of an episode, in truth and in the supervisor's view."""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


class _Outcome(IntEnum):
    """How an episode ended: not on a terminal square, on one of unknown kind, or on one of a known kind.

    Used for both views: the ground truth is never ``UNKNOWN``; in the supervisor's view ``UNKNOWN`` is a terminal
    square without oversight. ``NONE`` is no terminal square at all (a timeout, or not yet ended).
    """


class Outcome(_Outcome):
    """The outcomes of the default environment; see :func:`outcomes_of` for those of other kinds."""

    NONE = 0
    UNKNOWN = 1
    GHOST = 2
    DIAMOND = 3


FIRST_KIND = 2
"""The number of the first kind's outcome; those of the other kinds follow."""

DEFAULT_KINDS = ("ghost", "diamond")


def _member(kinds: tuple[str, ...], value: int) -> IntEnum:
    return outcomes_of(kinds)(value)


@lru_cache(maxsize=64)
def outcomes_of(kinds: tuple[str, ...]) -> type[IntEnum]:
    """The enumeration of outcomes where terminals are of these kinds: ``NONE``, ``UNKNOWN``, then each kind.

    Args:
        kinds: in the order of the observation planes; ``("ghost", "diamond")`` gives :class:`Outcome`.
    """
    if kinds == DEFAULT_KINDS:
        return Outcome
    members = ["NONE", "UNKNOWN", *(kind.upper() for kind in kinds)]
    make: Any = _Outcome  # calling an enumeration without members makes one
    made: Any = make("Outcome", members, start=0)
    made.__reduce_ex__ = lambda self, _: (_member, (kinds, int(self)))  # no module holds it, so pickle needs this
    enumeration: type[IntEnum] = made
    return enumeration


def arrival(kind: Any, seen: Any) -> Any:
    """The number of an arrival: 0 for no terminal square, else by the terminal's kind and whether it is seen.

    Args:
        kind: index among the environment's kinds; an int or an int8 array.
        seen: whether the supervisor sees that square; 0 or 1, or an int8 array of them.
    """
    return 1 + 2 * kind + seen


def arrivals(square: Any, terminals: Any, seen: Any, kinds: Sequence[int]) -> Any:
    """The :func:`arrival` of each of ``n`` episodes, for numpy arrays and for tensors.

    Args:
        square: the agents' squares, shape (n,).
        terminals: squares, shape (n, terminals).
        seen: int8 in {0, 1}, shape (n, terminals).
        kinds: the kind of each terminal.

    Returns:
        shape (n,), int8.
    """
    columns = zip(kinds, terminals.T, seen.T, strict=True)
    return sum((square == at) * arrival(kind, watched) for kind, at, watched in columns)


def true_outcomes(kinds: int) -> NDArray[np.int8]:
    """The true outcome of each arrival for a number of kinds, shape (arrivals,)."""
    of_kind = np.repeat(np.arange(kinds), 2) + FIRST_KIND
    return np.array([Outcome.NONE, *of_kind], dtype=np.int8)

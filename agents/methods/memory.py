"""The state that a method keeps while a model trains."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Snapshot = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""Everything that determines how a memory continues: arrays by name, and plain JSON."""


class Memory(Protocol):
    """State that is saved with the model and with every checkpoint, and restored from there."""

    def snapshot(self) -> Snapshot:
        """The position of the generator."""

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Continue from :meth:`snapshot`."""


class Stream:
    """A random generator whose position is saved.

    Args:
        seed: a seed for ``numpy.random.default_rng``; None for a random one.
    """

    def __init__(self, seed: Any = None) -> None:
        self.rng = np.random.default_rng(seed)

    def snapshot(self) -> Snapshot:
        """As :class:`Memory`."""
        return {}, {"generator": self.rng.bit_generator.state}

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """As :class:`Memory`."""
        self.rng.bit_generator.state = position["generator"]

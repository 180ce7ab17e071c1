"""What a method remembers while a model trains."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Snapshot = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""Everything that decides how a memory goes on: arrays by name, and plain JSON."""


class Memory(Protocol):
    """Saved with the model and with every checkpoint, and restored from there."""

    def snapshot(self) -> Snapshot:
        """Where it stands."""

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Go on from :meth:`snapshot`."""


class Stream:
    """A random generator whose position is saved.

    Args:
        seed: as ``numpy.random.default_rng`` takes it; None for a random one.
    """

    def __init__(self, seed: Any = None) -> None:
        self.rng = np.random.default_rng(seed)

    def snapshot(self) -> Snapshot:
        """As :class:`Memory`."""
        return {}, {"generator": self.rng.bit_generator.state}

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """As :class:`Memory`."""
        self.rng.bit_generator.state = position["generator"]

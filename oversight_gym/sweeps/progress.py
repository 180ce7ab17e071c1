"""The progress of a sweep, and the time left."""

import time
from collections.abc import Mapping


class Progress:
    """Runs done, running and failed, and the time left.

    Args:
        weights: the seconds that each remaining run should take, by name; only their ratios matter once runs have
            ended.
        done: the number of runs that finished before.
        slots: the number of runs side by side.
    """

    def __init__(self, weights: Mapping[str, float], done: int, slots: int) -> None:
        self.weights, self.done, self.slots = weights, done, slots
        self.total = done + len(weights)
        self.left = dict.fromkeys(weights)
        self.failures: set[str] = set()
        self.began = time.perf_counter()

    @property
    def running(self) -> int:
        """The number of running runs."""
        return min(self.slots, len(self.left))

    def seconds_left(self) -> float:
        """The seconds left, from the speed so far or, before any run has ended, from the weights."""
        todo = sum(self.weights[name] for name in self.left)
        ended = sum(weight for name, weight in self.weights.items() if name not in self.left)
        if not ended:
            return todo / self.slots
        return todo / ended * (time.perf_counter() - self.began)

    def finished(self, name: str) -> None:
        """Count a run as finished."""
        self.left.pop(name, None)
        self.failures.discard(name)
        self.done += 1

    def failed(self, name: str) -> None:
        """Count a run as failed, until it finishes."""
        self.failures.add(name)

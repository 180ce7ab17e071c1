"""One progress display for a whole sweep: a bar on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm


def duration(seconds: float) -> str:
    """Seconds for people: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """Runs done, running and failed, and the time left.

    Args:
        weights: seconds that each run to come should take, by name; only their ratios matter once runs have ended.
        done: runs finished before.
        slots: runs side by side.
    """

    def __init__(self, weights: dict[str, float], done: int, slots: int) -> None:
        self.weights, self.done, self.slots = weights, done, slots
        self.total = done + len(weights)
        self.left = set(weights)
        self.failures: set[str] = set()
        self.began = time.perf_counter()

    def __enter__(self) -> "Progress":
        self.bar = tqdm(
            total=self.total, initial=self.done, disable=not sys.stderr.isatty(), unit=" run", bar_format=_BAR
        )
        self._show()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def seconds_left(self) -> float:
        """From the speed so far, or from the weights before any run has ended."""
        todo = sum(self.weights[name] for name in self.left)
        ended = sum(self.weights.values()) - todo
        if not ended:
            return todo / self.slots
        return todo / ended * (time.perf_counter() - self.began)

    def finished(self, name: str, where: str = "") -> None:
        """Show that a run has finished."""
        self.left.discard(name)
        self.failures.discard(name)
        self.done += 1
        self.bar.n = self.done
        self._show(f"{name} finished{f' on {where}' if where else ''}")

    def failed(self, name: str, word: str) -> None:
        """Show that a run has failed; ``word`` says what follows."""
        self.failures.add(name)
        self._show(f"{name} {word}")

    def _show(self, event: str = "") -> None:
        running = min(self.slots, len(self.left))
        failed = f", {len(self.failures)} failed" if self.failures else ""
        left = duration(self.seconds_left())
        if not self.bar.disable:
            self.bar.set_description_str(f"{running} running{failed}, about {left} left")
            if event and "failed" in event:
                self.bar.write(event)
        elif event:
            print(f"[{self.done}/{self.total}] {event}; {running} running{failed}, about {left} left", flush=True)


_BAR = "{n_fmt}/{total_fmt} done |{bar}| {desc}"

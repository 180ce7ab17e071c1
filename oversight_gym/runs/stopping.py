"""How a training ends before its time: by a signal, at the next rollout, or because it diverges."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal has ended a training, and nothing is lost.

    Args:
        number: of the signal.
        sentence: what was done, and how to go on.
    """

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = 128 + number
        """What a shell expects a program to exit with."""


@contextmanager
def signals_raised(sentence: str, said: str) -> Iterator[None]:
    """Raise ``Interrupted`` at SIGINT and SIGTERM, wherever the main thread is.

    Args:
        sentence: of the exception.
        said: to the terminal at once, as ending may take a while.
    """

    def end(number: int, _: Any) -> None:
        os.write(2, f"{said}\n".encode())
        raise Interrupted(number, sentence)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class RunFailed(RuntimeError):
    """A training has diverged.

    Args:
        folder: of the run.
        reason: what happened.
        values: what is not finite, as text by name.
    """

    def __init__(self, folder: Path, reason: str, values: dict[str, str]) -> None:
        super().__init__(f"{reason}; {folder} is marked as failed and keeps its last checkpoint.")
        self.reason, self.values = reason, values


@contextmanager
def signals_noted() -> Iterator[Callable[[], int | None]]:
    """Note ``SIGNALS`` instead of ending at once; a second SIGINT does end at once.

    Signals that are ignored stay so, and outside the main thread, which alone hears them, nothing changes.

    Yields:
        a function that gives the first signal noted, None as long as there was none.
    """
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        if noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted.append(number)

    heard = SIGNALS if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in heard}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: noted[0] if noted else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

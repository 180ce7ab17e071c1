"""Ends training early: by a signal, at the next rollout, or because it diverges."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised when a signal has ended training; nothing is lost.

    Args:
        number: the number of the signal.
        sentence: the sentence for the user, with the way to continue.
    """

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = 128 + number
        """What a shell expects a program to exit with."""


@contextmanager
def signals_raised(sentence: str, said: str) -> Iterator[None]:
    """Raise ``Interrupted`` at SIGINT and SIGTERM, wherever the main thread is.

    Args:
        sentence: the sentence of the exception.
        said: a sentence that is printed at once, because ending may take a while.
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
    """Raised when training has diverged.

    Args:
        folder: the run folder.
        reason: the reason, as text.
        values: the values that are not finite, as text by name.
    """

    def __init__(self, folder: Path, reason: str, values: dict[str, str]) -> None:
        super().__init__(f"{reason}; {folder} is marked as failed and keeps its last checkpoint.")
        self.reason, self.values = reason, values


@contextmanager
def signals_noted() -> Iterator[Callable[[], int | None]]:
    """Record ``SIGNALS`` instead of ending at once; a second SIGINT ends at once.

    Signals that are ignored stay ignored. Nothing changes outside the main thread, which alone receives signals.

    Yields:
        a function that gives the first recorded signal, None if there was none.
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

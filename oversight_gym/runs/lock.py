"""A lock that lets one process at a time use a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from oversight_gym.runs.contents import LOCK


@contextmanager
def locked(folder: Path, patience: float) -> Iterator[Callable[[], bool]]:
    """Keep other processes out of a folder, by whatever path they reach it, until this one leaves or dies.

    Args:
        folder: an existing folder; while it is locked, it contains a lock file.
        patience: the number of seconds to wait for another process; a killed process releases the lock at once.

    Yields:
        a function that says whether the folder is still the one that was locked; it could have been deleted and created
        again.

    Raises:
        filelock.Timeout: if another process keeps it longer.
        OSError: if the folder cannot be written.
    """
    path = folder / LOCK
    with FileLock(path, timeout=patience):
        mine = path.stat()

        def held() -> bool:
            try:
                return os.path.samestat(path.stat(), mine)
            except FileNotFoundError:
                return False

        try:
            yield held
        finally:
            if held():
                path.unlink()  # still locked; who waits for it notices, and takes a new one

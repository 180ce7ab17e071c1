"""Kills a run at every file operation, resumes it, and says what came of it; a program of its own, as it forks.

    python tests/crashing.py FOLDER STRIDE

prints a line of JSON: the number of operations, and for every STRIDE-th what was wrong after the resumed run.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import tiniest_config
from test_run_life import difference

from oversight_gym.runs.train import train

KILLED = 9
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
fsync = os.fsync


def watch_operations(folder: Path, act: Callable[[int, str], None]) -> None:
    """Call ``act`` with number and name of every operation that changes a file below a folder, before it is done."""
    count = 0

    def operation(name: str) -> None:
        nonlocal count
        act(count, name)
        count += 1

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writing or event in CHANGES) and str(arguments[0]).startswith(str(folder)):
            operation(f"{event} {Path(os.fsdecode(arguments[0])).name}")

    def flushed(number: int) -> None:
        operation(f"fsync {Path(os.readlink(f'/proc/self/fd/{number}')).name}")

    os.fsync = flushed
    sys.addaudithook(hook)


def in_a_fork(work: Callable[[], None]) -> int:
    """Exit status of a copy of this process that does some work."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(scratch: Path, stride: int) -> None:
    values = {"total_timesteps": 256, "evaluations": 1, "select": "oracle", "keep_weights": True}
    whole, operations = scratch / "whole", scratch / "operations"

    def record() -> None:
        file = os.open(operations, os.O_WRONLY | os.O_CREAT)
        watch_operations(whole, lambda _, name: os.write(file, f"{name}\n".encode()))
        train(tiniest_config(whole, **values))

    assert in_a_fork(record) == 0
    names = operations.read_text().splitlines()
    wrong = {}
    for number in range(0, len(names), stride):
        folder = scratch / str(number)

        def crash(folder: Path = folder, number: int = number) -> None:
            watch_operations(folder, lambda count, _: os._exit(KILLED) if count == number else None)
            train(tiniest_config(folder, **values))

        ended = in_a_fork(crash)
        resumed = in_a_fork(lambda folder=folder: train(tiniest_config(folder, resume=True, **values)))
        found = [f"it ended with {ended}"] if ended != KILLED else []
        found += [f"it could not be resumed: {resumed}"] if resumed else difference(folder, whole)
        if found:
            wrong[f"{number}: {names[number]}"] = found
    print(json.dumps({"operations": len(names), "tried": len(range(0, len(names), stride)), "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))

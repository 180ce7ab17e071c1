"""Kills a run, resumes it, and says what came of it; a program of its own, as it forks.

    python tests/crashing.py FOLDER operations STRIDE
    python tests/crashing.py FOLDER moments COUNT

kills it before every STRIDE-th operation that changes a file, or at COUNT random moments. Prints a line of JSON: how
many moments there were, how many of them were tried, and by moment what was wrong after the resumed run.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import tiniest_config
from test_run_life import difference

from oversight_gym.runs.train import train

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
VALUES = {"total_timesteps": 256, "evaluations": 1, "select": "oracle", "keep_weights": True}


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


def forked(work: Callable[[], object]) -> int:
    """Number of a copy of this process that does some work and ends."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def outcome(folder: Path, whole: Path) -> list[str]:
    """What is wrong with a killed run once it has been resumed."""
    status = ended(forked(lambda: train(tiniest_config(folder, resume=True, **VALUES))))
    return [f"it could not be resumed: {status}"] if status else difference(folder, whole)


def at_operations(scratch: Path, stride: int) -> dict[str, Any]:
    whole, operations = scratch / "whole", scratch / "operations"

    def record() -> None:
        file = os.open(operations, os.O_WRONLY | os.O_CREAT)
        watch_operations(whole, lambda _, name: os.write(file, f"{name}\n".encode()))
        train(tiniest_config(whole, **VALUES))

    def crash(folder: Path, at: int) -> None:
        watch_operations(folder, lambda number, _: os.kill(os.getpid(), signal.SIGKILL) if number == at else None)
        train(tiniest_config(folder, **VALUES))

    assert ended(forked(record)) == 0
    names, wrong = operations.read_text().splitlines(), {}
    for at in range(0, len(names), stride):
        folder = scratch / str(at)
        status = ended(forked(lambda folder=folder, at=at: crash(folder, at)))
        if found := [f"it ended with {status}"] * (status != -signal.SIGKILL) + outcome(folder, whole):
            wrong[f"{at}: {names[at]}"] = found
    return {"moments": len(names), "tried": len(range(0, len(names), stride)), "wrong": wrong}


def at_moments(scratch: Path, count: int) -> dict[str, Any]:
    whole, rng, wrong, killed = scratch / "whole", random.Random(0), {}, 0
    for folder in (scratch / "first", whole):  # the first takes longer
        began = time.perf_counter()
        assert ended(forked(lambda folder=folder: train(tiniest_config(folder, **VALUES)))) == 0
        seconds = time.perf_counter() - began
    for number in range(count):
        folder, moment = scratch / str(number), rng.uniform(0, seconds)
        child = forked(lambda folder=folder: train(tiniest_config(folder, **VALUES)))
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        killed += ended(child) == -signal.SIGKILL
        if found := outcome(folder, whole):
            wrong[f"{moment:.3f} s"] = found
    return {"moments": count, "tried": killed, "wrong": wrong}


if __name__ == "__main__":
    ways = {"operations": at_operations, "moments": at_moments}
    print(json.dumps(ways[sys.argv[2]](Path(sys.argv[1]).resolve(), int(sys.argv[3]))))

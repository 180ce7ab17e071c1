"""Compares this checkout with another version: ``python scripts/bench against PATH-OF-PYTHON [NAME ...]``.

The other interpreter has another version of the package installed. Each of the two builds its model once. Then they
take turns on one core in short slices, so that both see the same quiet and busy moments of the machine.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from timing import table

WORKER = Path(__file__).with_name("slices.py")
PAIRS = 15
LONG = {"default run": 3}
"""The number of pairs for slices that take longer than a few seconds."""
NAMES = ("fast", "paper-reinforce", "environment, 512", "environment, 4096", "default run")


class Worker:
    """An interpreter that times slices of its version's work when asked to."""

    def __init__(self, python: str, name: str) -> None:
        command = [python, str(WORKER), name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, cwd="/", **pipes)  # type: ignore[call-overload]

    def slice(self) -> tuple[float, float]:
        """Seconds of one slice: by the clock, and of the processor."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        elapsed, used = map(float, self._process.stdout.readline().split())
        return elapsed, used

    def close(self) -> None:
        """End the interpreter."""
        self._process.communicate()


def ratios(pairs: Sequence[tuple[float, float]]) -> list[float]:
    """The ratio of the other's time to ours for each pair, in ascending order."""
    return sorted(theirs / ours for theirs, ours in pairs)


def main(python: str, *names: str) -> None:
    """Print the speed of this checkout relative to the other."""
    if hasattr(os, "sched_setaffinity"):  # Linux; the workers inherit it
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = []
    for name in names or NAMES:
        workers = [Worker(each, name) for each in (python, sys.executable)]
        pairs = [[worker.slice() for worker in workers] for _ in range(LONG.get(name, PAIRS))]
        for worker in workers:
            worker.close()
        clock, processor = ([(theirs[kind], ours[kind]) for theirs, ours in pairs] for kind in range(2))
        found = ratios(clock)
        seconds = (f"{statistics.median(column):.3f}" for column in zip(*clock, strict=True))
        rows.append(
            [
                name,
                *seconds,
                f"{statistics.median(found):.2f}",
                f"{found[0]:.2f} to {found[-1]:.2f}",
                f"{statistics.median(ratios(processor)):.2f}",
            ]
        )
    header = ["slice", "seconds there", "here", "times as fast", "range", "by processor time"]
    table("Beside the other checkout, in turns, one core", header, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])

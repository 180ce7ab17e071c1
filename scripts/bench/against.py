"""This checkout beside another, slice by slice: ``python scripts/bench against PATH-OF-PYTHON [NAME ...]``.

The other interpreter has another version of the package installed. Each of the two builds its model once; then they take
turns on one core in slices of about a second, so that both see the machine's quiet and busy times alike.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import table

PAIRS = 9
WORKER = Path(__file__).with_name("slices.py")
NAMES = ("fast", "paper-reinforce", "environment, 512", "environment, 4096", "default run")


class Worker:
    """One interpreter at work on one slice."""

    def __init__(self, python: str, name: str) -> None:
        command = [python, str(WORKER), name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")

    def slice(self) -> float:
        """Seconds of one slice."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [float(word) for word in self._process.stdout.readline().split()][WHICH]

    def close(self) -> None:
        self._process.communicate()


WHICH = int(os.environ.get("BENCH_CPU_TIME", "0"))


def main(python: str, *names: str) -> None:
    rows = []
    for name in names or NAMES:
        workers = [Worker(each, name) for each in (python, sys.executable)]
        pairs = [tuple(worker.slice() for worker in workers) for _ in range(PAIRS)]
        for worker in workers:
            worker.close()
        ratios = sorted(theirs / ours for theirs, ours in pairs)
        theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        rows.append([name, f"{theirs:.3f}", f"{ours:.3f}", f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"])
    table("Beside", ["slice", "seconds, theirs", "ours", "ours is faster by", "range"], rows)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The timing, the references and the printing of the benchmarks."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from oversight_gym.runs.version import versions

REPEATS = 5


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds of some repeats, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def matrix_rate(rows: int = 2048, width: int = 128) -> float:
    """Floating-point operations per second of a product of the size that the networks use, on torch's threads."""
    a, b, times = torch.ones(rows, width), torch.ones(width, width), 100
    return 2 * rows * width * width * times / seconds(lambda: deque((a @ b for _ in range(times)), maxlen=0))


def copy_rate(megabytes: int = 4) -> float:
    """Bytes per second read and written by a copy that fits no small cache."""
    data = np.ones(megabytes << 20, dtype=np.int8)
    target = np.empty_like(data)
    return 2 * len(data) * 20 / seconds(lambda: deque((np.copyto(target, data) for _ in range(20)), maxlen=0))


def describe() -> None:
    """The machine, the threads and the versions."""
    listed = Path("/proc/cpuinfo")  # Linux
    lines = listed.read_text().splitlines() if listed.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line] or [platform.machine()]
    print(f"{names[0]}, {os.cpu_count()} cores; torch on 1 thread unless said otherwise")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    print(
        f"yardsticks: matrix product {matrix_rate() / 1e9:.0f} GFLOP/s, copy {copy_rate() / 1e9:.0f} GB/s, one core\n"
    )


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a Markdown table."""
    print(f"{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print(flush=True)


def peak_megabytes() -> float:
    """The most memory that this process has held since its program began; ``getrusage`` would count its parent's."""
    status = Path("/proc/self/status")  # Linux
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024 if status.exists() else float("nan")


def rate(value: float) -> str:
    """Steps per second in words."""
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k"


def child(*words: object) -> subprocess.Popen[str]:
    """Another Python process of this folder, its output to be read."""
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)


def answer(process: subprocess.Popen[str]) -> list[float]:
    """The numbers on the last line of a child's output."""
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args} ended with {process.returncode}")
    return [float(word) for word in out.strip().splitlines()[-1].split()]

"""Runs jobs as processes of this machine."""

import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import FAILED
from oversight_gym.sweeps.worker import run_in_process


@dataclass(frozen=True)
class Job:
    """A run to train.

    Attributes:
        name: the run's name.
        config: the run's config, including the folder to write to.
        log: the file for the output of its process.
    """

    name: str
    config: TrainConfig
    log: Path


class Attempt(NamedTuple):
    """The result of one attempt of a job.

    Attributes:
        job: the job.
        succeeded: whether its run finished.
        where: the node on which it ran; empty for this machine.
        reason: the reason why it failed, if its log does not say.
    """

    job: Job
    succeeded: bool
    where: str = ""
    reason: str = ""

    @property
    def diverged(self) -> bool:
        """Whether the run has marked itself as failed, so that another attempt would fail, too."""
        return (self.job.config.folder / FAILED).exists()


GRACE = 20.0
"""The number of seconds in which runs must write a checkpoint when they are stopped."""


def run_locally(jobs: list[Job], workers: int) -> Iterator[Attempt]:
    """Train all jobs, ``workers`` at a time, and yield each attempt as it ends. If it is stopped early, running jobs
    end at a checkpoint."""
    ended: queue.Queue[Attempt] = queue.Queue()
    running: set[subprocess.Popen[str]] = set()
    stopping = threading.Event()

    def started(process: "subprocess.Popen[str]") -> None:
        running.add(process)
        if stopping.is_set():
            process.kill()

    def run(job: Job) -> None:
        succeeded, reason = False, ""
        try:
            succeeded = not stopping.is_set() and run_in_process(job.config.to_json(), job.log, started)
        except Exception as error:  # whoever waits for the attempt must hear of it
            reason = f"{type(error).__name__}: {error}"
        ended.put(Attempt(job, succeeded, reason=reason))

    with ThreadPoolExecutor(workers) as pool:
        for job in jobs:
            pool.submit(run, job)
        try:
            for _ in jobs:
                yield ended.get()
        finally:
            stopping.set()
            _stop(list(running))


def _stop(processes: "list[subprocess.Popen[str]]") -> None:
    """End processes; those that do not end in time are killed. Processes that have ended are ignored."""
    deadline = time.monotonic() + GRACE
    try:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in processes:
            process.kill()

"""Runs as tasks of SLURM job arrays, submitted through submitit; the folder of the sweep is one that all nodes share.

A job that SLURM stops for a more urgent one, or because its time is up, leaves a checkpoint, is queued again and goes
on from there. Whether a run is done is read from its folder, so nothing of what jobs leave is unpickled.
"""

import getpass
import io
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from oversight_gym.envs import RequestError
from oversight_gym.files import digest, write_json
from oversight_gym.runs.beginning import is_finished
from oversight_gym.runs.contents import FAILED
from oversight_gym.runs.stopping import Interrupted
from oversight_gym.sweeps.local import GRACE, Attempt, Job
from oversight_gym.sweeps.plan import SweepConfig
from oversight_gym.sweeps.worker import attempt

FOLDER, QUEUED = "slurm", "queued.json"
"""Where jobs and their logs lie in the folder of a sweep; which run each job of the last driver trains."""
LARGEST_ARRAY = 1000
"""Jobs; SLURM takes no more unless it is configured to."""
RENEWALS = 100
"""Times that the time limit may stop a job before it counts as failed."""
WARNING_SECONDS = 90
"""How long before the time limit a job hears of it."""
SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_QUESTIONS = 1.0, 10.0
"""How often run folders are looked at, and how often SLURM is asked for its queue."""


class Task:
    """One run, as submitit calls it on a node.

    Args:
        config: of a ``TrainConfig``, by ``to_json``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def __call__(self) -> None:
        """Train; queued again when SIGUSR2 says that the job has to make way."""
        make_way = signal.getsignal(signal.SIGUSR2)  # submitit's: calls ``checkpoint``, queues the job again, exits
        heard: list[int] = []

        def note(number: int, _: Any) -> None:
            heard.append(number)
            signal.raise_signal(signal.SIGTERM)  # at which a run leaves a checkpoint

        signal.signal(signal.SIGUSR2, note)
        while True:
            try:
                attempt(self.config)
                return
            except Interrupted as end:
                if heard and callable(make_way):
                    make_way(signal.SIGUSR2, None)
                    return
                if end.status != 128 + signal.SIGTERM:  # the driver's SIGINT
                    return
            # SLURM sends SIGTERM some time before it kills, and then queues the job again or not: until then go on

    def checkpoint(self) -> Any:
        """What submitit is to call when the job runs again: the same, which goes on from the run's checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def check_slurm(sweep: SweepConfig) -> None:
    """Refuse where no jobs can be submitted.

    Raises:
        RequestError: if submitit or SLURM's own commands are missing, or a share of a GPU is asked for.
    """
    if sweep.gpus % 1:
        raise RequestError(f"gpus is {sweep.gpus}, and SLURM gives whole ones; give 0 or 1.")
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise RequestError(
            "the SLURM executor needs the extra 'slurm'; install it with: pip install 'oversight-gym[slurm]'"
        ) from None
    for program in ("sbatch", "squeue", "scancel", "srun"):
        if not shutil.which(program):
            raise RequestError(f"{program} is not found here; start the sweep where SLURM's commands are installed.")


def run_on_slurm(jobs: list[Job], sweep: SweepConfig) -> Iterator[Attempt]:
    """Train all jobs, ``sweep.workers`` at a time; yields each as it ends.

    What an earlier driver, which was killed, has left in the queue is waited for and not submitted again.
    Stopping early ends what runs, at a checkpoint.

    Raises:
        RequestError: if SLURM refuses the jobs.
    """
    folder = sweep.out.resolve() / FOLDER
    name = f"oversight-gym-{digest(str(folder).encode())[:12]}"
    try:
        waiting = _left_in_the_queue(name, folder, {job.name: job for job in jobs})
        there = {job.name for job in waiting.values()}
        yield from _as_they_end(name, folder, waiting)
        rest = [job for job in jobs if job.name not in there]
        for start in range(0, len(rest), LARGEST_ARRAY):
            yield from _as_they_end(name, folder, _submitted(name, folder, rest[start : start + LARGEST_ARRAY], sweep))
    except BaseException:  # above all the end of a generator that nobody asks any more
        _empty(name)
        raise


def _in_the_queue(name: str) -> set[str]:
    """Ids of the jobs of a name that wait, run or are ending."""
    words = ["squeue", "--noheader", "--array", "--format=%i", f"--name={name}", f"--user={getpass.getuser()}"]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def _cancel(*options: str) -> None:
    subprocess.run(["scancel", f"--user={getpass.getuser()}", *options], capture_output=True, check=False)


def _left_in_the_queue(name: str, folder: Path, jobs: dict[str, Job]) -> dict[str, Job]:
    """By id, the jobs of an earlier driver that are still to be done; others of its name are cancelled."""
    try:
        queued = json.loads((folder / QUEUED).read_bytes())
    except FileNotFoundError:
        queued = {}
    there = _in_the_queue(name)
    found = {number: jobs[queued[number]] for number in there if queued.get(number) in jobs}
    for number in there - found.keys():
        _cancel(number)
    return found


def _submitted(name: str, folder: Path, jobs: list[Job], sweep: SweepConfig) -> dict[str, Job]:
    """Submit jobs as one array; returns them by id."""
    import submitit

    for job in jobs:
        job.config.folder.mkdir(parents=True, exist_ok=True)
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=RENEWALS)
    executor.update_parameters(
        job_name=name,
        partition=sweep.partition,
        time=sweep.minutes,
        cpus_per_task=sweep.cpus,
        mem=f"{round(1024 * sweep.memory)}M",
        gpus_per_node=int(sweep.gpus) or None,
        array_parallelism=sweep.workers,
        signal_delay_s=WARNING_SECONDS,
        stderr_to_stdout=True,
        additional_parameters={"requeue": True, **dict(map(_option, sweep.sbatch))},
    )
    said = io.StringIO()
    try:
        with redirect_stderr(said), executor.batch():
            tasks = [
                executor.submit(Task(job.config.written_to(job.config.folder.resolve()).to_json())) for job in jobs
            ]
    except submitit.core.utils.FailedJobError as error:
        raise RequestError(f"SLURM refused the jobs ({_last_line(str(error))}); give other options.") from None
    found = {task.job_id: job for task, job in zip(tasks, jobs, strict=True)}
    write_json(folder / QUEUED, {number: job.name for number, job in found.items()})
    return found


def _option(text: str) -> tuple[str, str | bool]:
    """An option of ``sbatch``: ``NAME=VALUE``, or ``NAME`` alone."""
    name, equals, value = text.lstrip("-").partition("=")
    return name, value if equals else True


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _as_they_end(name: str, folder: Path, waiting: dict[str, Job]) -> Iterator[Attempt]:
    """The attempts of jobs in the queue.

    A run that has finished, or has marked itself as failed, says so by a file. Of a job that ended otherwise SLURM
    alone knows; it has to be gone twice, because a folder that machines share may show a file late.
    """
    gone: set[str] = set()
    asked = time.monotonic()
    while waiting:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        ended = [number for number, job in waiting.items() if _has_said_so(job)]
        if time.monotonic() - asked >= SECONDS_BETWEEN_QUESTIONS:
            asked = time.monotonic()
            missing = waiting.keys() - _still_queued(name, waiting.keys())
            ended += [number for number in gone & missing if number not in ended]
            gone = missing
        for number in ended:
            yield _attempt(waiting.pop(number), number, folder)


def _has_said_so(job: Job) -> bool:
    return (job.config.folder / FAILED).exists() or is_finished(job.config)


def _still_queued(name: str, numbers: Iterable[str]) -> set[str]:
    """As :func:`_in_the_queue`; all of them where SLURM does not answer, as a controller may be started again."""
    try:
        return _in_the_queue(name)
    except (OSError, subprocess.CalledProcessError):
        return set(numbers)


def _attempt(job: Job, number: str, folder: Path) -> Attempt:
    log = folder / f"{number}_0_log.out"
    if log.exists():
        job.log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, job.log)
    succeeded = is_finished(job.config)
    return Attempt(job, succeeded, reason="" if succeeded else f"SLURM job {number}")


def _empty(name: str) -> None:
    """Take all jobs of a name out of the queue; those that run leave a checkpoint first, if they do so in time."""
    try:
        if not _in_the_queue(name):
            return
        _cancel(f"--name={name}", "--state=PENDING")
        _cancel(f"--name={name}", "--state=RUNNING", "--signal=INT")
        deadline = time.monotonic() + GRACE
        while _in_the_queue(name) and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except (OSError, subprocess.CalledProcessError):
        pass
    _cancel(f"--name={name}")

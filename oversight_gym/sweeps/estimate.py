"""Estimates the time and the disk space of a sweep, from its finished runs or from a probe."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import MODEL
from oversight_gym.runs.record import finished_record
from oversight_gym.sweeps.local import Job, run_locally

PROBED_ROLLOUTS = 3


@dataclass(frozen=True)
class Cost:
    """The cost of a run of one method.

    Attributes:
        seconds_fixed, seconds_per_step, seconds_per_evaluation: the parts of its time.
        bytes_fixed, bytes_per_evaluation: the parts of its space on disk.
    """

    seconds_fixed: float
    seconds_per_step: float
    seconds_per_evaluation: float
    bytes_fixed: float
    bytes_per_evaluation: float

    def seconds(self, config: TrainConfig) -> float:
        """The seconds of a whole run."""
        evaluations = (config.evaluations + 1) * self.seconds_per_evaluation
        return self.seconds_fixed + config.hyper.total_timesteps * self.seconds_per_step + evaluations

    def bytes(self, config: TrainConfig) -> float:
        """The bytes of a finished run folder."""
        return self.bytes_fixed + (config.evaluations + 1) * self.bytes_per_evaluation


def _cost(folder: Path, config: TrainConfig, seconds: float | None = None) -> Cost:
    """The cost of a finished run, whose process took ``seconds`` from start to end."""
    record = finished_record(folder)
    evaluations = config.evaluations + 1
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    model = (folder / MODEL).stat().st_size
    fixed = 2.0 if seconds is None else max(0.0, seconds - record["seconds"])
    return Cost(
        fixed,
        max(0.0, record["seconds"] - record["evaluation_seconds"]) / record["steps"],
        record["evaluation_seconds"] / evaluations,
        model,
        (size - model) / evaluations,
    )


def _probe(configs: dict[str, TrainConfig], workers: int) -> dict[str, Cost]:
    """Train each of some configs for a few rollouts, as many at a time as in the sweep."""
    with tempfile.TemporaryDirectory() as scratch:
        jobs = []
        for name, config in configs.items():
            hyper = config.hyper
            steps = min(hyper.total_timesteps, PROBED_ROLLOUTS * hyper.num_envs * hyper.n_steps)
            short = replace(config, hyper=replace(hyper, total_timesteps=steps), evaluations=1, track=())
            jobs.append(Job(name, short.written_to(Path(scratch, name)), Path(scratch, f"{name}.log")))
        costs, began = {}, time.perf_counter()
        for done, attempt in enumerate(run_locally(jobs, workers), start=1):
            if attempt.succeeded:
                turns = -(-done // workers)  # of the workers, one after the other
                seconds = (time.perf_counter() - began) / turns
                costs[attempt.job.name] = _cost(attempt.job.config.folder, attempt.job.config, seconds)
        return costs


def costs_of(finished: list[TrainConfig], unfinished: list[TrainConfig], workers: int) -> dict[str, Cost]:
    """The cost per method of the remaining runs, from a finished run of the sweep if there is one, else from a
    probe."""
    costs = {config.method: _cost(config.folder, config) for config in finished}
    return costs | _probe({run.method: run for run in unfinished if run.method not in costs}, workers)

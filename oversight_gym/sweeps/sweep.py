"""Sweeps: many runs, each in a process of its own, that finish, resume and say what failed."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from oversight_gym.envs import RequestError
from oversight_gym.files import write_json
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import is_finished
from oversight_gym.sweeps.estimate import Cost, costs_of
from oversight_gym.sweeps.local import Attempt, Job, run_locally
from oversight_gym.sweeps.plan import SweepConfig, runs_of
from oversight_gym.sweeps.progress import Progress, duration
from oversight_gym.sweeps.ray_cluster import connect, run_on_ray

PLAN, LOGS = "sweep.json", "logs"
TAIL = 6
"""Lines of a failed run's log that are shown."""


def _print_plan(sweep: SweepConfig, runs: int, todo: list[TrainConfig], costs: dict[str, Cost], slots: int) -> None:
    steps = sum(run.hyper.total_timesteps for run in todo)
    print(f"Sweep {sweep.out}: {runs} runs, {runs - len(todo)} of them finished; {steps:,} steps to train")
    print(f"  methods   {', '.join(sweep.methods)}")
    print(f"  oversight {', '.join(f'{level:g}' for level in sweep.oversight)}")
    print(f"  seeds     0 to {sweep.seeds - 1}, preset {sweep.preset}" + "".join(f", {text}" for text in sweep.set))
    if not todo or any(run.method not in costs for run in todo):
        return
    took = duration(sum(costs[run.method].seconds(run) for run in todo) / slots)
    needed = sum(costs[run.method].bytes(run) for run in todo) / 1e6
    free = shutil.disk_usage(sweep.out).free / 1e6
    print(f"  estimate  {took} on {slots} at a time, {needed:,.0f} MB of {free / 1e3:,.0f} GB free disk", flush=True)
    if needed > free:
        raise RequestError(f"{sweep.out} has {free:,.0f} MB free, but the sweep needs {needed:,.0f}; make room.")


def _plain(sweep: SweepConfig) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(sweep).items()}


def _remembered(sweep: SweepConfig) -> dict[str, Cost]:
    """Costs found by an earlier call of the same sweep."""
    try:
        plan = json.loads((sweep.out / PLAN).read_text())
        same = (plan["sweep"]["preset"], tuple(plan["sweep"]["set"])) == (sweep.preset, sweep.set)
        return {method: Cost(**cost) for method, cost in plan["costs"].items()} if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _execute(sweep: SweepConfig, jobs: list[Job]) -> Iterator[Attempt]:
    if sweep.executor == "ray":
        return run_on_ray(jobs, sweep.storage, sweep.gpus)
    return run_locally(jobs, sweep.workers)


def _tail(job: Job) -> str:
    lines = job.log.read_text().splitlines() if job.log.exists() else []
    return "\n".join(f"    {line}" for line in lines[-TAIL:])


def sweep(config: SweepConfig) -> list[str]:
    """Train every run of a sweep that has not finished yet; print plan and progress.

    A failed run is retried once. Killed at any moment, a sweep loses no finished run and at most the steps since
    each run's last checkpoint.

    Args:
        config: what to sweep over.

    Returns:
        Names of the runs that failed twice.

    Raises:
        RequestError: if the folder holds other runs or is in use, the disk too small, or Ray missing.
    """
    runs = runs_of(config)
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        with FileLock(config.out / ".lock", timeout=0):
            return _sweep(config, runs)
    except Timeout:
        raise RequestError(f"{config.out} is being swept by another process; wait for it.") from None
    except OSError as error:
        raise RequestError(f"{config.out} cannot be written ({error.strerror}); choose another --out.") from error


def _sweep(config: SweepConfig, runs: dict[str, TrainConfig]) -> list[str]:
    slots = connect(config.address, config.workers) if config.executor == "ray" else config.workers
    todo = {name: run for name, run in runs.items() if not is_finished(run)}
    finished = [run for name, run in runs.items() if name not in todo]
    known = _remembered(config)
    costs = known | costs_of(finished, [run for run in todo.values() if run.method not in known], config.workers)
    _print_plan(config, len(runs), list(todo.values()), costs, slots)
    if config.dry_run:
        return []
    record = {"sweep": _plain(config), "begun": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(config.out / PLAN, record | {"costs": {method: asdict(cost) for method, cost in costs.items()}})
    weights = {name: costs[run.method].seconds(run) if run.method in costs else 1.0 for name, run in todo.items()}
    jobs = [Job(name, run, config.out / LOGS / f"{name.replace('/', ' ')}.log") for name, run in todo.items()]
    with Progress(weights, len(finished), slots) as progress:
        failed = _attempt(config, jobs, progress, "failed, to be tried once more")
        failed = _attempt(config, failed, progress, "failed")
    for job in failed:
        print(f"\n{job.name} failed; the end of {job.log}:\n{_tail(job)}")
    if failed:
        print(f"\n{len(failed)} of {len(runs)} runs failed.")
    return [job.name for job in failed]


def _attempt(config: SweepConfig, jobs: list[Job], progress: Progress, word: str) -> list[Job]:
    failed = []
    for attempt in _execute(config, jobs) if jobs else ():
        if attempt.succeeded:
            progress.finished(attempt.job.name, attempt.where)
        else:
            failed.append(attempt.job)
            progress.failed(attempt.job.name, word)
    return failed

"""Sweeps: many runs, each in its own process, which are resumed where necessary."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from oversight_gym.envs import RequestError
from oversight_gym.files import write_json
from oversight_gym.runs.beginning import is_finished
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.lock import locked
from oversight_gym.runs.memory import check_run_fits
from oversight_gym.runs.trackers import check_installed
from oversight_gym.sweeps.estimate import Cost, costs_of
from oversight_gym.sweeps.local import Attempt, Job, run_locally
from oversight_gym.sweeps.observer import Observer, Plan
from oversight_gym.sweeps.plan import SweepConfig, runs_of
from oversight_gym.sweeps.progress import Progress
from oversight_gym.sweeps.ray_cluster import connect, run_on_ray
from oversight_gym.sweeps.slurm import check_slurm, run_on_slurm

PLAN, LOGS = "sweep.json", "logs"
SILENT = Observer()


def _plain(sweep: SweepConfig) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(sweep).items()}


def _earlier_plan(path: Path) -> dict[str, Any]:
    """The plan of an earlier call; empty if there was none.

    Raises:
        RequestError: if the file belongs to another program and would be lost.
    """
    try:
        plan = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        plan = None
    if not isinstance(plan, dict) or not {"sweep", "costs"} <= plan.keys():
        raise RequestError(f"{path} was not written by a sweep; choose another `out`.")
    return plan


def _remembered(sweep: SweepConfig, plan: dict[str, Any]) -> dict[str, Cost]:
    """The costs that an earlier call of the same sweep has found."""
    try:
        same = (plan["sweep"]["preset"], tuple(plan["sweep"]["set"])) == (sweep.preset, sweep.set)
        return {method: Cost(**cost) for method, cost in plan["costs"].items()} if same else {}
    except (KeyError, TypeError, AttributeError):
        return {}


def _execute(sweep: SweepConfig, jobs: list[Job]) -> Iterator[Attempt]:
    if sweep.executor == "ray":
        return run_on_ray(jobs, sweep.storage, sweep.gpus)
    if sweep.executor == "slurm":
        return run_on_slurm(jobs, sweep)
    return run_locally(jobs, sweep.workers)


def _slots(config: SweepConfig, runs: dict[str, TrainConfig]) -> int:
    """Runs side by side.

    Raises:
        RequestError: if the executor cannot take them.
    """
    if config.executor == "ray":
        return connect(config.address, config.workers)
    if config.executor == "slurm":
        check_slurm(config)
    else:
        for run in runs.values():
            check_run_fits(run)
    return config.workers


def sweep(config: SweepConfig, observer: Observer = SILENT) -> list[Attempt]:
    """Train every run of a sweep that has not finished yet.

    A failed run is retried once, unless it has diverged. A finished run with a damaged file is trained again. A sweep
    that is killed loses no finished run, and at most the steps since each run's last checkpoint.

    Args:
        config: the sweep's config.
        observer: receives the plan and every run that ends.

    Returns:
        The last attempt of each run that failed.

    Raises:
        RequestError: if the folder holds other runs or another program's ``sweep.json`` or is in use, the disk is too
            small, or what the executor needs is missing.
    """
    runs = runs_of(config)
    check_installed(config.track)
    slots = _slots(config, runs)
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        with locked(config.out, patience=0):
            return _sweep(config, runs, slots, observer)
    except Timeout:
        raise RequestError(f"{config.out} is being swept by another process; wait for it.") from None
    except OSError as error:
        raise RequestError(f"{config.out} cannot be written ({error.strerror}); choose another `out`.") from error


def _sweep(config: SweepConfig, runs: dict[str, TrainConfig], slots: int, observer: Observer) -> list[Attempt]:
    plan = _plan(config, runs, slots, _earlier_plan(config.out / PLAN))
    observer.planned(plan)
    if plan.estimated and plan.bytes > (free := shutil.disk_usage(config.out).free):
        needed = f"{plan.bytes / 1e6:,.0f}"
        raise RequestError(f"{config.out} has {free / 1e6:,.0f} MB free, but the sweep needs {needed}; make room.")
    if config.dry_run:
        return []
    for part in config.out.glob(f".{PLAN}.*.part"):  # of a driver that was killed
        part.unlink()
    costs = {method: asdict(cost) for method, cost in plan.costs.items()}
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(config.out / PLAN, {"sweep": _plain(config), "begun": begun, "costs": costs})
    known = plan.costs
    weights = {name: known[run.method].seconds(run) if run.method in known else 1.0 for name, run in plan.todo.items()}
    jobs = [Job(name, run, config.out / LOGS / f"{name.replace('/', ' ')}.log") for name, run in plan.todo.items()]
    progress = Progress(weights, len(runs) - len(jobs), plan.slots)
    observer.began(progress)
    try:
        failed = _attempt(config, jobs, progress, observer, again=True)
        diverged = [attempt for attempt in failed if attempt.diverged]
        rest = [attempt.job for attempt in failed if not attempt.diverged]
        return diverged + _attempt(config, rest, progress, observer, again=False)
    finally:
        observer.ended()


def _plan(config: SweepConfig, runs: dict[str, TrainConfig], slots: int, earlier: dict[str, Any]) -> Plan:
    todo = {name: run for name, run in runs.items() if not is_finished(run)}
    finished = [run for name, run in runs.items() if name not in todo]
    known = _remembered(config, earlier)
    found = costs_of(finished, [run for run in todo.values() if run.method not in known], config.workers)
    return Plan(config, runs, todo, known | found, slots)


def _attempt(
    config: SweepConfig, jobs: list[Job], progress: Progress, observer: Observer, again: bool
) -> list[Attempt]:
    """Try every job once, and return the attempts that failed."""
    failed = []
    for attempt in _execute(config, jobs) if jobs else ():
        if attempt.succeeded:
            progress.finished(attempt.job.name)
        else:
            failed.append(attempt)
            progress.failed(attempt.job.name)
        observer.tried(attempt, progress, again and not attempt.succeeded and not attempt.diverged)
    return failed

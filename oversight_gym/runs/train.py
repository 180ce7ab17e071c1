"""One training run, from its config to its finished folder."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.selection import chosen, labels_spent
from oversight_gym.files import write_json
from oversight_gym.runs.beginning import check_free, check_same, clear, is_finished, write_config
from oversight_gym.runs.build import make_model
from oversight_gym.runs.checkpoint import Checkpoint, read_checkpoint, restore
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CHECKPOINT, FAILED, FINISHED, LOCK, MODEL, PROGRESS, half_written, left_behind
from oversight_gym.runs.events import EventWriter
from oversight_gym.runs.folder import Run, load_run, stored_config, write_weights
from oversight_gym.runs.guard import Guard, Stop
from oversight_gym.runs.ledger import ledger
from oversight_gym.runs.lock import locked
from oversight_gym.runs.logs import ProgressBar, ProgressFile, RolloutLogs
from oversight_gym.runs.memory import check_run_fits
from oversight_gym.runs.periodic import PeriodicEvaluation
from oversight_gym.runs.record import damage, write_finished
from oversight_gym.runs.stopping import Interrupted, RunFailed, signals_noted
from oversight_gym.runs.trackers import Trackers, check_installed, tracked
from oversight_gym.runs.version import RESULTS_VERSION, changes, versions

PATIENCE = 30.0
"""The number of seconds to wait for a run folder that another process is using; a killed process releases it at
once."""


_log = logging.getLogger(__name__)


@contextmanager
def _alone(folder: Path) -> Iterator[Callable[[], bool]]:
    """As ``locked``, with a sentence for every error of writing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, PATIENCE) as held:
            yield held
    except Timeout:
        raise RequestError(f"{folder} is being trained by another process; wait for it or choose another.") from None
    except OSError as error:
        why = error.strerror or error
        raise RequestError(f"{folder} cannot be written ({why}); mend that or choose another `run_dir`.") from error


def train(config: TrainConfig) -> Run:
    """Train, and write the run folder: config, model, curves, evaluations, and last the completion record.

    A resumed run ends bit for bit like an undisturbed one, except for times and speeds. With ``resume`` a finished run
    is only read; it is trained again if one of its files is missing or damaged.

    Args:
        config: the config of the run.

    Returns:
        The finished run, read back from its folder.

    Raises:
        RequestError: if the device or a tracker's client is missing, or the folder cannot be written or belongs to
            another config.
        RunFailed: if training diverges. The folder then keeps the last checkpoint and says so.
        Interrupted: if SIGINT or SIGTERM has ended training. The folder then holds a checkpoint.
    """
    if config.overwrite and config.resume:
        raise RequestError("`overwrite` begins a run again and `resume` goes on with it; set one of them.")
    if config.device != "cpu" and not torch.cuda.is_available():
        raise RequestError(f"device is {config.device!r}, but no CUDA device is available; set `device` to cpu.")
    check_installed(config.track)
    check_run_fits(config)
    check_free(config)
    if config.resume and is_finished(config):
        _tidy(config.folder)
        return load_run(config.folder)
    with _alone(config.folder) as held:
        check_free(config)  # once more, now that nobody else is in it
        if not (config.resume and is_finished(config)):
            with signals_noted() as asked:
                _train(config, held, asked)
            if (number := asked()) is not None:
                raise Interrupted(number, f"stopped; the run in {config.folder} had finished before.")
    return load_run(config.folder)


def _tidy(folder: Path) -> None:
    """Remove the files that a killed process has left in a finished run's folder, if it can be written."""
    with suppress(OSError, Timeout):
        if (folder / LOCK).exists() or any(left_behind(folder)):
            with locked(folder, patience=0):
                for path in left_behind(folder) if (folder / FINISHED).exists() else ():
                    path.unlink(missing_ok=True)


def _found(config: TrainConfig) -> Checkpoint | None:
    """The checkpoint to continue from; everything in the folder that is not to be kept is removed."""
    folder = config.folder
    if config.resume and (folder / FINISHED).exists():
        check_same(config, stored_config(folder, checked=False), folder)
        _log.warning("%s It is trained again now.", damage(folder))
        clear(folder)
    if not config.resume or not (folder / CHECKPOINT).exists():
        clear(folder)
        return None
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    check_same(config, TrainConfig.from_json(checkpoint.extra["config"]), folder)
    for path in half_written(folder):
        path.unlink()
    return checkpoint


def _history(folder: Path, before: Checkpoint | None) -> list[dict[str, Any]]:
    """The versions that a run was trained with, including this part.

    Raises:
        RequestError: if the next part would have another results version.
    """
    now: dict[str, Any] = {"step": 0, "results_version": RESULTS_VERSION, "versions": versions()}
    if before is None:
        return [now]
    history, step = list(before.extra["history"]), before.progress["num_timesteps"]
    if history[-1]["results_version"] != RESULTS_VERSION:
        raise RequestError(
            f"{folder} was begun under results version {history[-1]['results_version']}, and this program has "
            f"{RESULTS_VERSION}; set `overwrite` to begin again, or go on with the old program."
        )
    if changed := changes(history[-1]["versions"], now["versions"]):
        _log.warning("%s goes on at step %s with other versions: %s.", folder, f"{step:,}", changed)
        history.append(now | {"step": step})
    return history


def _train(config: TrainConfig, held: Callable[[], bool], asked: Callable[[], int | None]) -> None:
    before = _found(config)
    history = _history(config.folder, before)
    write_config(config, history)
    torch.set_num_threads(config.threads)
    with tracked(config, before.extra.get("trackers", {}) if before else {}) as trackers:
        _learn(config, before, history, trackers, held, asked)


def _learn(
    config: TrainConfig,
    before: Checkpoint | None,
    history: list[dict[str, Any]],
    trackers: Trackers,
    held: Callable[[], bool],
    asked: Callable[[], int | None],
) -> None:
    folder = config.folder
    model = make_model(config)
    events = EventWriter(config, folder, before.extra["events"] if before else {})
    progress = ProgressFile(folder / PROGRESS, list(before.extra["progress"]) if before else [])
    model.set_logger(Logger(str(folder), [progress, events.format, trackers]))
    evaluations = PeriodicEvaluation(config, folder, events, trackers, progress.rows, history, before)
    if before:
        restore(before, model)
    guard, bar = Guard(folder, held), ProgressBar(config, evaluations)
    stop = Stop(config, asked, evaluations.leave_checkpoint)
    try:
        with guard.watching():
            model.learn(
                config.hyper.total_timesteps - model.num_timesteps,
                CallbackList([guard, evaluations, stop, RolloutLogs(config), bar]),
                log_interval=None,  # type: ignore[arg-type]  # RolloutLogs counts from the beginning of the run
                reset_num_timesteps=False,
            )
    except RunFailed as failure:
        record = {"failed": _now(), "step": model.num_timesteps, "reason": failure.reason, "values": failure.values}
        write_json(folder / FAILED, record)
        raise
    finally:
        bar.close()
    evaluations.evaluate()
    events.close()
    _finish(config, model, evaluations)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _finish(config: TrainConfig, model: RoutedPPO, evaluations: PeriodicEvaluation) -> None:
    """Write the model that counts and the completion record; a run that is killed before continues from its
    checkpoint."""
    rows, select, seconds = evaluations.rows, config.select, evaluations.training_seconds
    write_weights(config.folder / MODEL, evaluations.best if select != "last" else model.policy.state_dict())
    record = {
        "finished": _now(),
        "results_version": RESULTS_VERSION,
        "steps": model.num_timesteps,
        "seconds": round(seconds, 1),
        "steps_per_second": round(model.num_timesteps / seconds),
        "evaluation_seconds": round(evaluations.seconds, 1),
        "selected_step": int(rows[chosen(rows, select)]["step"]),
        "labels": ledger(config.method_row, model.episodes_observed, labels_spent(rows, select)),
    }
    write_finished(config.folder, record)
    for path in left_behind(config.folder):
        path.unlink()


def finished_run(config: TrainConfig) -> Run:
    """The run of a config: it is read from its folder if it has finished, else trained or resumed.

    Raises:
        as :func:`train`.
    """
    return train(replace(config, resume=True, overwrite=False))

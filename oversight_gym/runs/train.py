"""One training run, from its config to its finished folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger

from oversight_gym.envs import RequestError
from oversight_gym.evaluation.selection import chosen, labels_spent
from oversight_gym.files import write_json, write_whole
from oversight_gym.runs.build import make_model
from oversight_gym.runs.checkpoint import CHECKPOINT, read_extra, restore_checkpoint
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.events import EventWriter
from oversight_gym.runs.folder import (
    BEST,
    FINISHED,
    MODEL,
    Run,
    check_same,
    is_finished,
    load_run,
    prepare_folder,
    write_weights,
)
from oversight_gym.runs.ledger import ledger
from oversight_gym.runs.logs import ProgressBar, ProgressFile, RolloutLogs
from oversight_gym.runs.periodic import BEGINNING, PeriodicEvaluation

PATIENCE = 30.0
"""Seconds to wait for a run folder that another process is training into; a killed one lets go at once."""


@contextmanager
def _exclusive_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a run folder. The lock ends with the process, however that ends."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=PATIENCE):
            yield
    except Timeout:
        raise RequestError(f"{folder} is being trained by another process; wait for it or choose another.") from None
    except OSError as error:
        raise RequestError(f"{folder} cannot be written ({error.strerror}); choose another `run_dir`.") from error


def train(config: TrainConfig) -> Run:
    """Train, and write the run folder: config, model, curves, evaluations, and last the completion record.

    A resumed run ends bit for bit as an undisturbed one would have, but for times of day and speeds.

    Args:
        config: what to train.

    Returns:
        The finished run, read back from its folder.

    Raises:
        RequestError: if the device is missing, or the folder may not be written or is of another config.
    """
    if config.device != "cpu" and not torch.cuda.is_available():
        raise RequestError(f"device is {config.device!r}, but no CUDA device is available; set `device` to cpu.")
    with _exclusive_lock(config.folder):
        _train(config)
    return load_run(config.folder)


def _train(config: TrainConfig) -> None:
    folder = config.folder
    checkpoint = folder / CHECKPOINT
    resumed = config.resume and checkpoint.exists()
    before = read_extra(checkpoint) if resumed else BEGINNING
    if resumed:
        check_same(config, TrainConfig.from_json(before["config"]), folder)
    prepare_folder(config, resumed)
    torch.set_num_threads(config.threads)
    model = make_model(config)
    events = EventWriter(config, folder, before["events"])
    progress = ProgressFile(folder / "progress.csv", list(before["progress"]))
    model.set_logger(Logger(str(folder), [progress, events.format]))
    evaluations = PeriodicEvaluation(config, folder, events, progress.rows, before)
    if resumed:
        restore_checkpoint(checkpoint, model)
    model.learn(
        config.hyper.total_timesteps - model.num_timesteps,
        CallbackList([evaluations, RolloutLogs(config), ProgressBar(config, evaluations)]),
        log_interval=None,  # type: ignore[arg-type]  # RolloutLogs counts from the beginning of the run
        reset_num_timesteps=False,
    )
    evaluations.evaluate()
    events.close()
    seconds = evaluations.training_seconds
    rows, select = evaluations.rows, config.select
    if select == "last":
        write_weights(folder / MODEL, model.policy)
    else:
        write_whole(folder / MODEL, (folder / BEST).read_bytes())
    record = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "steps": model.num_timesteps,
        "seconds": round(seconds, 1),
        "steps_per_second": round(model.num_timesteps / seconds),
        "evaluation_seconds": round(evaluations.seconds, 1),
        "selected_step": int(rows[chosen(rows, select)]["step"]),
        "labels": ledger(config.method_row, model.episodes_observed, labels_spent(rows, select)),
    }
    write_json(folder / FINISHED, record)
    for path in (checkpoint, folder / BEST):  # needed until here, should this process be killed
        path.unlink(missing_ok=True)


def finished_run(config: TrainConfig) -> Run:
    """The run of a config: read from its folder if it has finished there, else trained.

    Raises:
        RequestError: as :func:`train`, and if the folder holds a finished run of another config.
    """
    return load_run(config.folder) if is_finished(config) else train(config)

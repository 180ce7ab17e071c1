"""Checks a run folder before training begins: it may be empty, hold a run to resume, or hold something that must not be
lost."""

import shlex
from pathlib import Path
from typing import Any

from oversight_gym.envs import RequestError
from oversight_gym.files import write_json
from oversight_gym.runs.config import UNTRACKED, TrainConfig
from oversight_gym.runs.contents import CHECKPOINT, CONFIG, FAILED, FINISHED, MODEL, WEIGHTS, is_empty, own_files
from oversight_gym.runs.folder import config_record, stored_config
from oversight_gym.runs.record import damage, failure, finished_record
from oversight_gym.runs.version import RESULTS_VERSION


def _is_run(folder: Path) -> bool:
    """Whether a run has begun in a folder, or finished there whatever has happened to its config."""
    try:
        if {"config", "method", "versions"} <= config_record(folder, checked=False).keys():
            return True
    except RequestError:
        pass
    try:
        return "digest" in finished_record(folder)
    except RequestError:
        return False


def check_free(config: TrainConfig) -> None:
    """Refuse to begin a run in a folder with content that would be lost.

    Raises:
        RequestError: if the folder holds a run and neither ``overwrite`` nor ``resume`` is set, or something else.
    """
    folder = config.folder
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or not (is_empty(folder) or _is_run(folder)):
        raise RequestError(f"{folder} exists and is no run folder; choose another `run_dir`.")
    own_files(folder)  # raises where one is a link
    if config.overwrite:
        return
    if (folder / FAILED).exists():
        raise RequestError(f"{folder} holds a run that failed: {failure(folder)}; set `overwrite` to begin again.")
    if config.resume:
        return
    if (folder / FINISHED).exists():
        raise RequestError(f"{folder} holds a finished run; set `overwrite` or choose another `run_dir`.")
    if (folder / CHECKPOINT).exists() or (folder / MODEL).exists():
        raise RequestError(
            f"{folder} holds an unfinished run; set `resume` to go on with it, or `overwrite` to begin again."
        )


def check_same(asked: TrainConfig, found: TrainConfig, folder: Path) -> None:
    """Refuse a folder whose run is not the requested one.

    Raises:
        RequestError: naming the first difference.
    """
    for name, (mine, theirs) in asked.differences(found).items():
        if name == "total_timesteps":
            raise RequestError(
                f"{folder} is a run of {theirs:,} steps, not {mine:,}, and its length cannot be changed, because its "
                f"learning rate depends on its length; train another with `from` {shlex.quote(str(folder))}, "
                f"`total_timesteps` {mine} and another `run_dir`."
            )
        raise RequestError(
            f"{folder} was trained with {name} {theirs}, not {mine}; choose another folder, or the same {name}."
        )


def is_finished(config: TrainConfig) -> bool:
    """Whether a config's folder holds its finished run, undamaged.

    Raises:
        RequestError: if it holds the finished run of another config.
    """
    folder = config.folder
    if not (folder / FINISHED).exists():
        return False
    try:
        found = stored_config(folder)
    except RequestError:
        return False
    check_same(config, found, folder)
    return damage(folder) is None


def clear(folder: Path) -> None:
    """Delete what the program has written to a run folder, and nothing else.

    Raises:
        RequestError: if one of the files is a link; then nothing is deleted.
    """
    for path in own_files(folder):
        path.unlink()
    if (folder / WEIGHTS).is_dir() and not any((folder / WEIGHTS).iterdir()):
        (folder / WEIGHTS).rmdir()


def write_config(config: TrainConfig, history: list[dict[str, Any]]) -> None:
    """Write ``config.json``.

    Args:
        config: the run's config.
        history: the versions of its first part, and of every later part with other versions.
    """
    plain = config.plain.to_json()
    record = {
        "config": config.to_json() | {name: plain[name] for name in UNTRACKED},
        "method": config.method_row.summary,
        "uses_ground_truth": config.uses_ground_truth,
        "command": shlex.join(config.command()),
        "results_version": RESULTS_VERSION,
        "versions": history[0]["versions"],
        "resumed": history[1:],
    }
    write_json(config.folder / CONFIG, record)

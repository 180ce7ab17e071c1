"""The files of a run folder: their names, which of them the program wrote, and how they are read."""

import stat
from pathlib import Path

from oversight_gym.envs import RequestError

CONFIG, MODEL, FINISHED, FAILED = "config.json", "model.safetensors", "finished.json", "failed.json"
CHECKPOINT = "checkpoint.safetensors"
EVALUATIONS, PROGRESS, EVENTS = "evaluations.csv", "progress.csv", "events.out.tfevents.*"
WEIGHTS = "weights"
KEPT = f"{WEIGHTS}/step={'[0-9]' * 12}.safetensors"
PART, LOCK = ".*.part", ".lock"
PARTS = (PART, f"{WEIGHTS}/{PART}")
"""Files that a process left behind because it was killed while it wrote them."""
_DRAWN = ("steering.*", "steering-scale-*.*", "map.*")
_KINDS = {".csv", ".json", ".png", ".svg", ".gif"}
_TRAINED = (FINISHED, FAILED, CHECKPOINT, "best.safetensors", MODEL, EVALUATIONS, PROGRESS, EVENTS, KEPT, *PARTS)
"""The files of the training, in the order of deletion. The completion record is first, so that a partly deleted folder
never looks finished."""


def weights_name(step: int) -> str:
    """The file that keeps the weights of a training step."""
    return f"{WEIGHTS}/step={step:012d}.safetensors"


def check_ordinary(path: Path, folder: Path) -> None:
    """Refuse anything but an ordinary file, and a name that leads out of its folder.

    Args:
        path: a file below ``folder`` that exists.
        folder: a run folder; it may itself be reached by a symbolic link.

    Raises:
        RequestError: if the file, or a folder between, is a symbolic link, a pipe or the like.
    """
    inside = path.relative_to(folder) if path.is_relative_to(folder) else Path("..")
    above = [folder / part for part in inside.parents if part != Path()]
    if ".." in inside.parts or not (stat.S_ISREG(path.lstat().st_mode) and all(map(_is_own_folder, above))):
        raise RequestError(f"{path} is a link or no ordinary file, which no run writes; remove it.")


def _is_own_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _matching(folder: Path, pattern: str) -> list[Path]:
    """The paths that match a pattern in a run folder, including broken links."""
    where = folder / Path(pattern).parent
    return sorted(path for path in where.iterdir() if path.match(pattern)) if where.is_dir() else []


def own_files(folder: Path) -> list[Path]:
    """The files that the program writes to a run folder, in the order in which to delete them.

    Raises:
        RequestError: if one of them is something else.
    """
    if (folder / WEIGHTS).is_symlink():
        raise RequestError(f"{folder / WEIGHTS} is a link, which no run writes; remove it.")
    found = [path for pattern in (CONFIG, *_TRAINED) for path in _matching(folder, pattern)]
    found += [path for pattern in _DRAWN for path in _matching(folder, pattern) if path.suffix in _KINDS]
    for path in found:
        check_ordinary(path, folder)
    return [path for path in found if path.name != CONFIG]


def left_behind(folder: Path) -> list[Path]:
    """The files, except its lock, that a killed process leaves in a finished run's folder."""
    return [path for pattern in (CHECKPOINT, "best.safetensors", *PARTS) for path in _matching(folder, pattern)]


def half_written(folder: Path) -> list[Path]:
    """The files that a process leaves if it is killed while it writes them."""
    return [path for pattern in PARTS for path in _matching(folder, pattern)]


def is_empty(folder: Path) -> bool:
    """Whether a folder is empty except for the files that a process leaves if it is killed while it writes its first
    file."""
    return all(path.match(PART) or path.name == LOCK for path in folder.iterdir())


def read_ordinary(folder: Path, name: str) -> bytes:
    """The content of one of a run folder's own files.

    Raises:
        RequestError: as :func:`check_ordinary`.
        OSError: if it cannot be read.
    """
    path = folder / name
    check_ordinary(path, folder)
    return path.read_bytes()

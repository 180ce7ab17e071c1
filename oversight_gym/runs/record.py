"""The completion record of a run, and the digests by which damage to the run's files is noticed.

``finished.json`` holds the SHA-256 of every file that is read again, and finally its own. Older records have no
digests, and their runs are read unchecked.
"""

import json
from pathlib import Path
from typing import Any

from oversight_gym.envs import RequestError
from oversight_gym.files import digest, flush, json_text, write_json
from oversight_gym.runs.contents import CONFIG, EVALUATIONS, FAILED, FINISHED, KEPT, MODEL, PROGRESS, read_ordinary


def _seal(record: dict[str, Any]) -> str:
    """The digest of everything else in a record."""
    rest = {name: value for name, value in record.items() if name != "digest"}
    return digest(json.dumps(rest, sort_keys=True).encode())


def write_finished(folder: Path, record: dict[str, Any]) -> None:
    """Write the completion record, after everything else is on the disk."""
    names = [CONFIG, MODEL, EVALUATIONS, PROGRESS, *sorted(str(path.relative_to(folder)) for path in folder.glob(KEPT))]
    for name in names:
        flush(folder / name)
    sealed = record | {"files": {name: digest((folder / name).read_bytes()) for name in names}}
    write_json(folder / FINISHED, sealed | {"digest": _seal(sealed)})


def parsed(content: bytes, path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        RequestError: if there is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path} cannot be read ({str(error).splitlines()[0]}); train the run again.") from None
    if not isinstance(found, dict):
        raise broken(path.parent, f"{path.name} is no object")
    return found


def finished_record(folder: Path) -> dict[str, Any]:
    """The content of ``finished.json``.

    Raises:
        RequestError: if there is none or it is damaged.
    """
    path = folder / FINISHED
    try:
        content = read_ordinary(folder, FINISHED)
        record = parsed(content, path)
    except FileNotFoundError:
        raise RequestError(f"{folder} has no {FINISHED}, so its training has not finished; train it again.") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}); mend that or train the run again.") from None
    sealed = {"digest", "files", "results_version"} & record.keys()
    as_written = record.get("digest") == _seal(record) and content == json_text(record).encode()
    if sealed and not (as_written and isinstance(record.get("files"), dict)):
        raise broken(folder, f"{FINISHED} is not what was written")
    if not isinstance(record.get("labels"), dict) or not isinstance(record.get("steps"), int):
        raise broken(folder, f"{FINISHED} lacks labels or steps")
    return record


def read_file(folder: Path, name: str, checked: bool = True) -> bytes:
    """The content of a file of a run. If ``checked``, the file of a finished run must match its digest.

    Raises:
        RequestError: if the file is missing or damaged.
    """
    try:
        content = read_ordinary(folder, name)
        finished = (folder / FINISHED).exists()
    except FileNotFoundError:
        raise RequestError(f"{folder} has no {name}; train the run again.") from None
    except OSError as error:
        raise RequestError(f"{folder / name} cannot be read ({error.strerror}); mend that or train it again.") from None
    files = finished_record(folder).get("files") if checked and finished else None
    if files is not None and files.get(name) != digest(content):
        raise broken(folder, f"{name} is not what was written")
    return content


def check_files(folder: Path) -> None:
    """Compare every file of a finished run with its digest.

    Raises:
        RequestError: naming the first that is missing or damaged.
    """
    for name in finished_record(folder).get("files", (CONFIG, MODEL, EVALUATIONS)):
        read_file(folder, name)


def damage(folder: Path) -> str | None:
    """The sentence about a missing or damaged file in a finished run's folder; None if there is none."""
    try:
        check_files(folder)
    except RequestError as error:
        return str(error)
    return None


def failure(folder: Path) -> str:
    """The reason why the run in a folder failed."""
    try:
        return str(parsed(read_file(folder, FAILED), folder / FAILED)["reason"])
    except (RequestError, KeyError):
        return "its record cannot be read"


def broken(folder: Path, why: object) -> RequestError:
    """The sentence about a damaged run folder."""
    return RequestError(f"{folder} is broken ({str(why).splitlines()[0]}); train the run again.")

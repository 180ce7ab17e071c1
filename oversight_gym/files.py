"""Writes files that are never seen half-written and survive a crash of the machine once they are written."""

import csv
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: if it cannot be read; a pipe or device, which might never end, is refused unread.
        ValueError: if it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path.name} is no file")
    return path.read_text(encoding="utf-8")


def flush(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: str | bytes, flushed: bool = True) -> None:
    """Write a file so that it is never seen half-written: aside first, then renamed.

    Args:
        path: the file.
        content: its content.
        flushed: whether it is on the disk when this returns. If not, a machine that crashes may leave an empty file.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.unlink(missing_ok=True)
        with aside.open("xb") as file:  # follows no link that somebody has put there
            file.write(content.encode() if isinstance(content, str) else content)
            if flushed:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    if flushed:
        flush(path.parent)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def json_text(data: Any) -> str:
    """Data as the text of a JSON file."""
    return json.dumps(data, indent=2) + "\n"


def write_json(path: Path, data: Any) -> None:
    """Write JSON whole."""
    write_whole(path, json_text(data))


def printable(path: Path) -> str:
    """A path as text that can be printed and stored even where its name is not UTF-8."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")


def plain(value: Any) -> Any:
    """A number of numpy as Python's own, which every format writes in the same way; other values are unchanged."""
    return value.item() if hasattr(value, "item") else value


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, by the headings of its columns; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: list[dict[str, Any]], flushed: bool = True) -> None:
    """Write rows whole; columns in the order in which they first appear, empty where a row lacks one."""
    columns = dict.fromkeys(key for row in rows for key in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue(), flushed)

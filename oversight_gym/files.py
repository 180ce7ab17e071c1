"""Files that are never seen half-written."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is never seen half-written: aside first, then renamed."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    aside.replace(path)


def write_json(path: Path, data: Any) -> None:
    """Write JSON whole."""
    write_whole(path, json.dumps(data, indent=2) + "\n")


def printable(path: Path) -> str:
    """A path as text that can be printed and stored even where its name is not UTF-8."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")


def plain(value: Any) -> Any:
    """A number of numpy as Python's own, which every format writes alike; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows whole; columns in the order in which they first appear, empty where a row lacks one."""
    columns = dict.fromkeys(key for row in rows for key in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())

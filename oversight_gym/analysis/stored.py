"""Stores results as rows of a CSV file, one per run, so that tables can be made again without the run folders.

A row has the run's method, oversight, seed and the name of its settings; the checkpoint that counts (``select``,
``steps``); labels; results version and commit; and the figures of every gate, mixed (``GATE/FIGURE``) and when nobody
looks (``GATE/none/FIGURE``). ``preset`` and ``changed`` are for readers. Because presets change, the full settings are
in a file beside it: ``NAME.settings.json`` for ``NAME.csv``.
"""

import csv
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oversight_gym.analysis.folders import DAMAGE
from oversight_gym.analysis.results import Reading, Result
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.selection import labels_spent
from oversight_gym.files import write_csv, write_whole
from oversight_gym.runs.config import NON_RESULT_FIELDS, TrainConfig
from oversight_gym.runs.version import RESULTS_VERSION

KEY = ("method", "oversight", "seed", "settings", "select", "results_version")
"""The columns that identify a row; a run that is stored again replaces its row."""
_OF_THE_RUN = {"method", "oversight", "seed", "threads", *NON_RESULT_FIELDS} - {"plugin"}
_STORED = re.compile(r"[^/]+/(none/)?(return_start|return_stepwise|p_[^/]+)|select/(overseen|oracle)")
DIGITS = 6
"""The number of decimals of a stored figure."""


def _settings_file(path: Path) -> Path:
    return path.with_suffix(".settings.json")


def _settings(config: TrainConfig) -> tuple[str, dict[str, Any]]:
    """The settings, and a name that depends on them alone."""
    values = {name: value for name, value in config.to_json().items() if name not in _OF_THE_RUN}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    return f"{config.preset}-{digest}", values


def _row(result: Result) -> dict[str, Any]:
    config, counted = result.config, result.counted
    changed = (f"{name}={text}" for name, text in result.settings.changed.items() if name in config.to_json())
    figures = {name: round(value, DIGITS) for name, value in counted.items() if _STORED.fullmatch(name)}
    if "select/overseen_labels" in counted:
        figures["select/overseen_labels"] = labels_spent(result.rows, "overseen")
    return {
        "method": config.method,
        "oversight": float(config.oversight),
        "seed": config.seed,
        "preset": config.preset,
        "changed": " ".join(text for text in changed if not text.startswith("preset=")),
        "settings": _settings(config)[0],
        "select": result.select,
        "steps": int(counted["step"]),
        "labels": result.training_labels,
        "results_version": result.version,
        "commit": result.commit,
        **figures,
    }


def store_rows(path: Path, results: Sequence[Result]) -> None:
    """Add results to a CSV file, which is created if necessary. The row of a run that is already there is replaced.

    Raises:
        RequestError: if the file holds something else.
    """
    rows, settings = _read_files(path) if path.exists() else ([], {})
    kept = {_key(row): row for row in rows}
    kept |= {_key(row): row for row in map(_row, results)}
    settings |= dict(_settings(result.config) for result in results)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{json.dumps(name)}: {json.dumps(values)}" for name, values in sorted(settings.items()))
    write_whole(_settings_file(path), "{\n" + ",\n".join(lines) + "\n}\n")
    write_csv(path, list(kept.values()))


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEY)


def stored_key(config: TrainConfig) -> tuple[str, ...]:
    """The key that the row of a run would have if it were trained now."""
    return _key(
        {
            "method": config.method,
            "oversight": float(config.oversight),
            "seed": config.seed,
            "settings": _settings(config)[0],
            "select": config.select,
            "results_version": RESULTS_VERSION,
        }
    )


def _read_files(path: Path) -> tuple[list[dict[str, str]], dict[str, dict[str, Any]]]:
    """Rows and settings.

    Raises:
        RequestError: if they cannot be read or hold something else.
    """
    settings_file = _settings_file(path)
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        settings = json.loads(settings_file.read_text())
        if rows and not set(KEY) <= rows[0].keys():
            raise ValueError(f"it has no columns {', '.join(KEY)}")
    except DAMAGE as error:
        raise RequestError(
            f"{path} cannot be used ({error}); give a CSV file that `rows` has written, "
            f"with {settings_file.name} beside it."
        ) from None
    return rows, settings


def read_rows(path: Path, select: str | None, reading: Reading) -> None:
    """Add every row of a CSV file; arguments as in ``read_results``.

    Raises:
        RequestError: if the file holds something else.
    """
    rows, settings = _read_files(path)
    others: list[str] = []
    for line, row in enumerate(rows, start=2):
        try:
            result = _read(row, settings, f"{path}:{line}")
        except DAMAGE as error:
            reason = str(error).splitlines()[0].rstrip(".") if str(error) else "it is broken"
            reading.damaged.append(f"Line {line} of {path} was left out: {reason}.")
            continue
        if result.select == (select or result.config.select):
            reading.results.append(result)
        else:
            others.append(result.select)
    if others:
        found = ", ".join(sorted(set(others)))
        reading.notes.append(f"{len(others)} row(s) of {path} were left out: they hold another selection ({found}).")


def _read(row: dict[str, str], settings: dict[str, dict[str, Any]], source: str) -> Result:
    own = {"oversight": float(row["oversight"]), "seed": int(row["seed"])}
    config = TrainConfig.from_json(settings[row["settings"]] | {"method": row["method"], **own})
    figures = {name: float(value) for name, value in row.items() if "/" in name and value}
    return Result(
        config,
        rows=({"step": float(row["steps"]), **figures},),
        labels={"training": int(row["labels"])},
        select=row["select"],
        version=int(row["results_version"]),
        commit=row["commit"],
        source=source,
    )

"""The finished runs below a folder, read from their small files alone."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.evaluation.selection import SELECTIONS, Row, chosen, labels_spent
from oversight_gym.runs.config import NON_RESULT_FIELDS, TrainConfig
from oversight_gym.runs.folder import CONFIG, EVALUATIONS, FINISHED, stored_config
from oversight_gym.runs.rows import at_gate


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        config: of the run.
        series: what is compared: the method, and the settings in which the runs of the folder differ.
        rows: of ``evaluations.csv``.
        labels: consumed in all, by use.
        select: which evaluation counts, a key of ``SELECTIONS``.
    """

    config: TrainConfig
    series: str
    rows: tuple[Row, ...]
    labels: dict[str, int]
    select: str = "last"

    @property
    def uses_ground_truth(self) -> bool:
        """Whether training or selection looked at what no supervisor sees."""
        return self.config.method_row.uses_hidden or self.select == "oracle"

    def curve(self, figure: str) -> tuple[list[float], list[float]]:
        """Training steps, and a figure (``return_stepwise``, ``none/p_ghost``, ...) of the policy as used."""
        return [row["step"] for row in self.rows], [at_gate(row, self.config.gate)[figure] for row in self.rows]

    def figure(self, figure: str) -> float:
        """A figure at the checkpoint that counts."""
        return self.curve(figure)[1][chosen(self.rows, self.select)]

    @property
    def labels_used(self) -> int:
        """Labels that the run consumed: in training, where the same label may serve several uses, and for selection."""
        training = max(count for use, count in self.labels.items() if use != "model_selection")
        return training + labels_spent(self.rows, self.select)


def _read(folder: Path, select: str | None) -> tuple[TrainConfig, tuple[Row, ...], dict[str, int]]:
    config = stored_config(folder)
    with (folder / EVALUATIONS).open() as file:
        rows = tuple({key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file))
    labels = {use: int(count) for use, count in json.loads((folder / FINISHED).read_text())["labels"].items()}
    used = [at_gate(row, config.gate) for row in rows]
    if (select or config.select) != "last" and not all("select/overseen" in row for row in rows):
        raise ValueError("it was trained before selections were kept")
    if not rows or not all({"return_stepwise", f"none/p_{config.unwanted}"} <= row.keys() for row in used):
        raise ValueError("its evaluations lack figures")
    return config, rows, labels


def _name_series(configs: Sequence[TrainConfig]) -> list[str]:
    """The method, and where runs differ in more than method, level and seed, the settings that vary.

    A setting that is each method's own in the preset does not vary.
    """
    found: list[dict[str, Any]] = [config.to_json() for config in configs]
    plain = [TrainConfig.of(preset=config.preset, method=config.method).to_json() for config in configs]
    changed = [
        {key: None if row[key] == of[key] else (row[key],) for key in row} for row, of in zip(found, plain, strict=True)
    ]
    ignored = {"method", "oversight", "seed", "threads", "device", *NON_RESULT_FIELDS}

    def varies(rows: list[dict[str, Any]], key: str) -> bool:
        return any(row[key] != rows[0][key] for row in rows)

    varying = [key for key in found[0] if key not in ignored and varies(found, key) and varies(changed, key)]
    return [", ".join([row["method"], *(f"{key}={row[key]}" for key in varying)]) for row in found]


def read_results(folder: Path, select: str | None = None) -> tuple[list[Result], list[str]]:
    """Every finished run below a folder.

    Args:
        folder: of runs.
        select: which evaluation counts, a key of ``SELECTIONS``; as each run was trained if None.

    Returns:
        The results by series, level and seed; and a sentence for each thing that was left out.

    Raises:
        RequestError: if there is none.
    """
    if select is not None:
        choose("select", select, SELECTIONS)
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give one that holds runs, for example of a sweep.")
    read, notes, unfinished = [], [], 0
    for path in sorted(folder.rglob(CONFIG)):
        if not (path.parent / FINISHED).exists():
            unfinished += 1
            continue
        try:
            read.append(_read(path.parent, select))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RequestError) as error:
            notes.append(f"{path.parent} was left out: {str(error).splitlines()[0] if str(error) else 'broken'}")
    if unfinished:
        notes.append(f"{unfinished} unfinished run(s) were left out.")
    if not read:
        if len(notes) > bool(unfinished):
            raise RequestError(f"{folder} holds no finished run that can be read ({notes[0]}).")
        raise RequestError(f"{folder} holds no finished run; train some, for example in a sweep.")
    kinds = read[0][0].hyper.kinds
    others = [config.folder for config, _, _ in read if config.hyper.kinds != kinds]
    notes += [f"{other} was left out: its terminals are of other kinds." for other in others]
    read = [found for found in read if found[0].hyper.kinds == kinds]
    series = _name_series([config for config, _, _ in read])
    results = [
        Result(config, name, rows, labels, select or config.select)
        for (config, rows, labels), name in zip(read, series, strict=True)
    ]
    taken: dict[tuple[str, float, int], Path] = {}
    kept = []
    for result in results:
        key = result.series, result.config.oversight, result.config.seed
        if key in taken:
            notes.append(f"{result.config.folder} was left out: {taken[key]} is the same run.")
        else:
            taken[key] = result.config.folder
            kept.append(result)
    order = list(METHODS)
    kept.sort(key=lambda r: (order.index(r.config.method), r.series, r.config.oversight, r.config.seed))
    return kept, notes

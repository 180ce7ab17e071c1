"""What the scripts of docs/localisation.md share: trained runs, rows that outlast a break, tables of the page."""

import csv
from pathlib import Path
from typing import Any

from impairment import fill

from oversight_gym.analysis.statistics import Range, summarise, with_interval
from oversight_gym.files import write_csv, write_whole
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.train import finished_run

OVERSIGHT = 0.1
PAGE = Path("docs/localisation.md")


def trained_run(runs: Path, method: str, seed: int) -> Run:
    """The run in METHOD/seed=S below a folder, preset fast, 10 % oversight; trained there if it is missing."""
    folder = runs / method / f"seed={seed}"
    if (folder / "finished.json").exists():
        return load_run(folder)
    print(f"training {folder}", flush=True)
    return finished_run(TrainConfig.of(method=method, oversight=OVERSIGHT, seed=seed, run_dir=folder))


class Rows:
    """Rows of a CSV file in groups: those of a group that is stored again replace the old ones."""

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key = path, key
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = list(csv.DictReader(file))

    def group(self, **values: Any) -> list[dict[str, Any]]:
        """The rows with these values, in the order stored."""
        wanted = {name: str(value) for name, value in values.items()}
        return [row for row in self.rows if all(str(row[name]) == value for name, value in wanted.items())]

    def store(self, rows: list[dict[str, Any]]) -> None:
        """Add the rows of one group, and write the file."""
        own = {name: str(rows[0][name]) for name in self.key}
        kept = [row for row in self.rows if any(str(row[name]) != value for name, value in own.items())]
        self.rows = [*kept, *rows]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_csv(self.path, self.rows)


def write_tables(page: Path, **tables: str) -> None:
    """Put tables between their marks in a page."""
    text = page.read_text()
    for mark, table in tables.items():
        text = fill(text, mark, table)
    write_whole(page, text)


def number(values: list[float], form: str, within: Range) -> str:
    """A mean with its interval over seeds, for a figure that lies within these bounds."""
    found = summarise(values, within)
    return with_interval(found.mean, found.low, found.high, form)

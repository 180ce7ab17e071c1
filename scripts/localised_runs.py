"""What the scripts of docs/localisation.md share: trained runs, rows that outlast a break, tables of the page."""

from pathlib import Path
from typing import Any

from oversight_gym.analysis.statistics import Range, summarise, with_interval
from oversight_gym.files import read_csv, write_csv
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import finished_run

OVERSIGHT = 0.1
WEAK = ("weak-gate/routing", "weak-gate/no_routing")
"""Runs at a preset whose gate loss makes no experts by itself: of these two only the first localises."""
PAGE = Path("docs/localisation.md")


def run_config(runs: Path, name: str, seed: int) -> TrainConfig:
    """The run in NAME/seed=S below a folder, at 10 % oversight; NAME is METHOD, or PRESET/METHOD if it is not fast."""
    preset, _, method = name.rpartition("/")
    return TrainConfig.of(
        method=method,
        preset=preset or "fast",
        oversight=OVERSIGHT,
        seed=seed,
        run_dir=runs / name / f"seed={seed}",
        resume=True,
    )


def trained_run(runs: Path, name: str, seed: int) -> Run:
    """That run; trained now if it is missing."""
    return finished_run(run_config(runs, name, seed))


class Rows:
    """Rows of a CSV file in groups: those of a group that is stored again replace the old ones."""

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key = path, key
        self.rows: list[dict[str, Any]] = read_csv(path)

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


def number(values: list[float], form: str, within: Range) -> str:
    """A mean with its interval over seeds, for a figure that lies within these bounds."""
    found = summarise(values, within)
    return with_interval(found.mean, found.low, found.high, form)

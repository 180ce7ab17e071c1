"""Comparing finished runs: statistics over seeds, by series and oversight level."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import Reading, Result
from oversight_gym.analysis.statistics import FEWEST, Summary, summarise
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.figures import Evaluation, ceilings
from oversight_gym.files import printable

Group = tuple[str, float]
"""A series and an oversight level."""


@dataclass(frozen=True)
class Comparison:
    """Finished runs, side by side.

    Attributes:
        sources: folders of runs, or CSV files of stored rows.
        reading: what was found there, with a sentence for each thing that is damaged or was left out.
        select: which checkpoint counts, a key of ``SELECTIONS``; None: as each run was trained.
        baseline: series that the others are compared with, seed by seed; None for no such comparison.
        unwanted: the least valuable kind of terminal.
        groups: results by series and oversight level.
        rows: one per group, of plain JSON: the statistics.
        ceilings: reference policies.
        published: return by method and level, from elsewhere.
    """

    sources: tuple[Path, ...]
    reading: Reading
    select: str | None
    baseline: str | None
    unwanted: str
    groups: dict[Group, list[Result]]
    rows: list[dict[str, Any]]
    ceilings: dict[str, Evaluation]
    published: dict[str, dict[float, float]]

    @property
    def notes(self) -> list[str]:
        """A sentence for each thing that was left out or is worth knowing."""
        return [*self.reading.notes, *self.reading.damaged]

    @property
    def series(self) -> list[str]:
        """Names, in order."""
        return list(dict.fromkeys(name for name, _ in self.groups))

    @property
    def levels(self) -> list[float]:
        """Oversight levels, ascending."""
        return sorted({level for _, level in self.groups})

    def of(self, series: str) -> list[tuple[float, list[Result]]]:
        """Results of one series by level."""
        return [(level, self.groups[series, level]) for level in self.levels if (series, level) in self.groups]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what was compared, the rows and the notes."""
        asked = {
            "runs": [printable(source) for source in self.sources],
            "baseline": self.baseline,
            "select": self.select,
        }
        return {**asked, "rows": self.rows, "notes": self.notes}


def compare(
    *sources: Path, baseline: str | None = None, paper: Path | None = None, select: str | None = None
) -> Comparison:
    """Compare whatever has finished.

    Args:
        sources: folders of runs, or CSV files of stored rows.
        baseline: series that the others are compared with, seed by seed.
        paper: CSV of published values by level and method.
        select: which checkpoint counts, a key of ``SELECTIONS``; as each run was trained if None.

    Raises:
        RequestError: if nothing has finished, or the baseline or the CSV is unknown.
    """
    reading = read_results(*sources, select=select)
    results, notes = reading.results, reading.notes
    groups = grouped(results)
    if any(len(group) < FEWEST for group in groups.values()):
        notes.append(f"Where there are fewer than {FEWEST} seeds no interval is given: too few for a bootstrap.")
    first = results[0].config
    if any(result.config.hyper.size != first.hyper.size for result in results):
        notes.append(f"Grids differ in size; the ceilings are those of {first.hyper.size[0]} x {first.hyper.size[1]}.")
    return Comparison(
        sources,
        reading,
        select,
        baseline,
        first.unwanted,
        groups,
        rows=_rows(groups, baseline, compared(first.unwanted)),
        ceilings=ceilings(first.env, gamma=first.hyper.gamma),
        published=_read_paper(paper) if paper else {},
    )


def grouped(results: list[Result]) -> dict[Group, list[Result]]:
    """Results by series and level, in order."""
    groups: dict[Group, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.series, result.config.oversight].append(result)
    return dict(groups)


def differences(groups: dict[Group, list[Result]], baseline: str, figure: str) -> dict[Group, Summary]:
    """Each series minus the baseline, seed by seed, at the seeds that both have.

    Raises:
        RequestError: if no series is called so.
    """
    names = list(dict.fromkeys(series for series, _ in groups))
    if baseline not in names:
        raise RequestError(f"baseline is {baseline!r}; choose one of {', '.join(names)}.")
    found = {}
    for (series, level), group in groups.items():
        theirs = {result.config.seed: result.figure(figure) for result in groups.get((baseline, level), ())}
        pairs = [result.figure(figure) - theirs[result.config.seed] for result in group if result.config.seed in theirs]
        if series != baseline and pairs:
            found[series, level] = summarise(pairs)
    return found


def compared(unwanted: str) -> tuple[str, ...]:
    """Figures of the table, at the gate that a method is used with."""
    return "return_stepwise", "none/return_stepwise", f"none/p_{unwanted}"


def _rows(groups: dict[Group, list[Result]], baseline: str | None, figures: Sequence[str]) -> list[dict[str, Any]]:
    paired = {figure: differences(groups, baseline, figure) for figure in figures} if baseline else {}
    rows = []
    for group, results in groups.items():
        row: dict[str, Any] = {"series": group[0], "oversight": group[1], "seeds": len(results)}
        row["uses_ground_truth"] = results[0].uses_ground_truth
        row["steps"] = results[0].config.hyper.total_timesteps
        row["labels_used"] = summarise([result.labels_used for result in results]).iqm
        summaries = {figure: summarise([result.figure(figure) for result in results]) for figure in figures}
        summaries |= {
            f"{figure} minus {baseline}": paired[figure][group] for figure in paired if group in paired[figure]
        }
        for name, summary in summaries.items():
            row |= {f"{name}/{key}": value for key, value in asdict(summary).items() if key != "seeds"}
        rows.append(row)
    return rows


def _read_paper(path: Path) -> dict[str, dict[float, float]]:
    """Return by level and method, from a CSV with a column ``oversight_probability`` and one per method.

    Raises:
        RequestError: if it is no such file.
    """
    try:
        with path.open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        levels = [row.pop("oversight_probability") for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} cannot be used ({error}); give oversight_probability and methods as columns."
        ) from None
    return {name: dict(zip(levels, (row[name] for row in rows), strict=True)) for name in (rows[0] if rows else {})}

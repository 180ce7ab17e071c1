"""Compares finished runs: statistics over seeds, by series and oversight level."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oversight_gym.analysis.published import read_published
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import Reading, Result
from oversight_gym.analysis.statistics import FEWEST, LEVEL, improvement, paired_improvement, summarise
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.figures import Evaluation, ceilings
from oversight_gym.evaluation.shown import Shown
from oversight_gym.files import printable
from oversight_gym.runs.config import TrainConfig

if TYPE_CHECKING:
    from rich.console import RenderableType

Group = tuple[str, float]
"""A series and an oversight level."""


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Finished runs, side by side.

    Attributes:
        sources: folders of runs, or CSV files of stored rows.
        reading: the results read from there, with a sentence for everything that is damaged or was left out.
        select: the checkpoint that counts, a key of ``SELECTIONS``; None for the one that each run was trained with.
        baseline: the series with which the others are compared, seed by seed; None for no comparison.
        unwanted: the least valuable kind of terminal.
        groups: the results by series and oversight level.
        rows: the statistics of each group, as plain JSON.
        ceilings: the reference policies; empty if the runs' worlds differ.
        published: published returns by method and level.
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
        """A sentence for everything that was left out or should be known."""
        return [*self.reading.notes, *self.reading.damaged]

    @property
    def series(self) -> list[str]:
        """The names of the series, in order."""
        return list(dict.fromkeys(name for name, _ in self.groups))

    @property
    def methods(self) -> dict[str, str]:
        """The method of each series."""
        return {series: results[0].config.method for (series, _), results in self.groups.items()}

    @property
    def levels(self) -> list[float]:
        """Oversight levels, ascending."""
        return sorted({level for _, level in self.groups})

    def of(self, series: str) -> list[tuple[float, list[Result]]]:
        """Results of one series by level."""
        return [(level, self.groups[series, level]) for level in self.levels if (series, level) in self.groups]

    def _shown(self) -> "list[RenderableType]":
        from oversight_gym.analysis.comparison_tables import comparison_tables

        return [*comparison_tables(self), *self.notes]

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain JSON: the sources and settings, the rows and the notes."""
        asked = {
            "runs": [printable(source) for source in self.sources],
            "baseline": self.baseline,
            "select": self.select,
        }
        return {**asked, "rows": self.rows, "notes": self.notes}


def compare(
    *sources: Path, baseline: str | None = None, paper: Path | None = None, select: str | None = None
) -> Comparison:
    """Compare all finished runs.

    Args:
        sources: folders of runs, or CSV files of stored rows.
        baseline: the series with which the others are compared, seed by seed.
        paper: a CSV file of published values by level and method.
        select: the checkpoint that counts, a key of ``SELECTIONS``; None for the one that each run was trained with.

    Raises:
        RequestError: if nothing has finished, or the baseline or the CSV is unknown.
    """
    reading = read_results(*sources, select=select)
    groups, first = grouped(reading.results), reading.results[0].config
    rows = [_row(group, results, reading) for group, results in groups.items()]
    if baseline is not None:
        _compare_with(baseline, groups, rows)
    reading.notes += _notes(reading, groups, rows, baseline)
    return Comparison(
        sources,
        reading,
        select,
        baseline,
        first.unwanted,
        groups,
        rows,
        ceilings={} if _different_worlds(reading) else ceilings(first.env, gamma=first.hyper.gamma),
        published=read_published(paper) if paper else {},
    )


def grouped(results: list[Result]) -> dict[Group, list[Result]]:
    """Results by series and level, in order."""
    groups: dict[Group, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.series, result.config.oversight].append(result)
    return dict(groups)


def common_steps(group: Sequence[Result]) -> list[float]:
    """The training steps at which every run of a group was evaluated, ascending."""
    steps = [set(result.curve("return_stepwise")[0]) for result in group]
    return sorted(set.intersection(*steps)) if steps else []


def compared(unwanted: str) -> tuple[str, ...]:
    """The figures of every row, at the gate that a method is used with. For the last of them, less is better."""
    return "return_stepwise", "none/return_stepwise", "none/return_start", f"none/p_{unwanted}"


def _row(group: Group, results: list[Result], reading: Reading) -> dict[str, Any]:
    """The statistics of one series at one level, as plain JSON."""
    diverged = [result for result in reading.diverged if (result.series, result.config.oversight) == group]
    row = {
        "series": group[0],
        "oversight": group[1],
        "seeds": len(results),
        "diverged": len(diverged),
        "uses_ground_truth": results[0].uses_ground_truth,
        "steps": results[0].config.hyper.total_timesteps,
        "results_version": results[0].version,
        "labels_used": float(np.mean([result.labels_used for result in results])),
    }
    for figure in compared(results[0].config.unwanted):
        row |= _columns(figure, summarise([result.figure(figure) for result in results], results[0].range_of(figure)))
    return row


def _columns(name: str, summary: Any) -> dict[str, Any]:
    return {f"{name}/{key}": value for key, value in asdict(summary).items() if key != "seeds"}


def _compare_with(baseline: str, groups: dict[Group, list[Result]], rows: list[dict[str, Any]]) -> None:
    """Add to each row how its series differs from the baseline at the same level, by the seeds that both have.

    Raises:
        RequestError: if there is no series of that name.
    """
    names = list(dict.fromkeys(series for series, _ in groups))
    if baseline not in names:
        raise RequestError(f"baseline is {baseline!r}; choose one of {', '.join(names)}.")
    for row, ((series, level), mine) in zip(rows, groups.items(), strict=True):
        theirs = groups.get((baseline, level), [])
        by_seed = {result.config.seed: result for result in theirs}
        pairs = [(result, by_seed[result.config.seed]) for result in mine if result.config.seed in by_seed]
        if series == baseline or not theirs:
            continue
        row["pairs"] = len(pairs)
        *returns, p_unwanted = compared(mine[0].config.unwanted)
        for figure, sign in (*((name, 1) for name in returns), (p_unwanted, -1)):
            ours, others = ([sign * result.figure(figure) for result in group] for group in (mine, theirs))
            row |= _columns(f"{figure} better than {baseline}, any two", improvement(ours, others))
            if pairs:
                gaps = [one.figure(figure) - other.figure(figure) for one, other in pairs]
                low, high = mine[0].range_of(figure)
                row |= _columns(f"{figure} minus {baseline}", summarise(gaps, (low - high, high - low)))
                better = paired_improvement([sign * gap for gap in gaps])
                row |= _columns(f"{figure} better than {baseline}, pairs", better)


def _notes(
    reading: Reading, groups: dict[Group, list[Result]], rows: list[dict[str, Any]], baseline: str | None
) -> list[str]:
    """Sentences about a comparison, beside those about what was left out."""
    notes = []
    if any(len(group) < FEWEST for group in groups.values()):
        notes.append(f"Where there are fewer than {FEWEST} seeds no interval is given.")
    uneven = [name for name, group in groups.items() if any(len(r.rows) != len(common_steps(group)) for r in group)]
    if uneven:
        notes.append(
            f"The seeds of {uneven[0][0]} at oversight {uneven[0][1]:g}"
            + (f" and {len(uneven) - 1} other(s)" if len(uneven) > 1 else "")
            + " were evaluated at different steps, or twice at one; learning curves show the steps that all have."
        )
    worlds = _different_worlds(reading)
    if worlds:
        notes.append(f"The worlds of the runs differ ({', '.join(worlds)}), so no ceilings are shown.")
    versions = sorted({result.version for result in reading.results})
    if len(versions) > 1:
        listed = " and ".join(map(str, versions))
        notes.append(f"Runs of results versions {listed} are here; what they measured is not the same.")
    asked = sum("pairs" in row for row in rows)
    if asked > 1:
        chance = (1 - LEVEL) * asked
        notes.append(
            f"{asked} comparisons with {baseline} for each figure: of so many intervals {chance:.1g} would exclude 0 "
            "by chance alone."
        )
    return notes


def _world(config: TrainConfig) -> dict[str, Any]:
    """The settings on which the ceilings depend."""
    env = {name: value for name, value in config.env.to_json().items() if "oversight" not in name}
    for name in ("view", "reward", "ghost_penalty"):
        del env[name]
    return env | {"gamma": config.hyper.gamma}


def _different_worlds(reading: Reading) -> list[str]:
    """The names of the settings in which the results' worlds differ."""
    first, *others = (_world(result.config) for result in reading.results)
    return [name for name, value in first.items() if any(other[name] != value for other in others)]

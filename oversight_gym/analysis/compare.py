"""Comparing the finished runs of a folder: tables over seeds, and the figures made of them."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from oversight_gym.analysis.charts import CHARTS, Data, draw
from oversight_gym.analysis.results import Result, read_results
from oversight_gym.analysis.statistics import FEWEST, Summary, summarise
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.figures import ceilings
from oversight_gym.files import write_csv, write_json, write_whole
from oversight_gym.pictures.files import FILES
from oversight_gym.runs.config import level_name

COLUMNS = {
    "return_stepwise": "stepwise return, mixed",
    "none/return_stepwise": "stepwise return, nobody looks",
    "none/p_ghost": "P(ghost), nobody looks",
}
"""Figures of the table, at the gate that a method is used with, and their headings."""

Group = tuple[str, float]
"""A series and an oversight level."""


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


def table_rows(groups: dict[Group, list[Result]], baseline: str | None) -> list[dict[str, Any]]:
    """One row per series and level; the content of ``compare.csv`` and ``.json``."""
    paired = {figure: differences(groups, baseline, figure) for figure in COLUMNS} if baseline else {}
    rows = []
    for group, results in groups.items():
        row: dict[str, Any] = {"series": group[0], "oversight": group[1], "seeds": len(results)}
        row["uses_ground_truth"] = results[0].uses_ground_truth
        row["steps"] = results[0].config.hyper.total_timesteps
        row["labels_used"] = summarise([result.labels_used for result in results]).iqm
        summaries = {figure: summarise([result.figure(figure) for result in results]) for figure in COLUMNS}
        summaries |= {
            f"{figure} minus {baseline}": paired[figure][group] for figure in paired if group in paired[figure]
        }
        for name, summary in summaries.items():
            row |= {f"{name}/{key}": value for key, value in asdict(summary).items() if key != "seeds"}
        rows.append(row)
    return rows


def _cell(row: dict[str, Any], name: str) -> str:
    if f"{name}/iqm" not in row:
        return ""
    return str(Summary(row["seeds"], row[f"{name}/iqm"], row[f"{name}/low"], row[f"{name}/high"]))


def _cells(row: dict[str, Any], baseline: str | None) -> list[str]:
    names = [*COLUMNS, *([f"return_stepwise minus {baseline}"] if baseline else [])]
    series = row["series"] + (" (ground truth)" if row["uses_ground_truth"] else "")
    labels = f"{row['labels_used']:,.0f}"
    return [series, level_name(row["oversight"]), str(row["seeds"]), *(_cell(row, name) for name in names), labels]


def _headings(baseline: str | None) -> list[str]:
    paired = [f"minus {baseline}, seed by seed"] if baseline else []
    return ["method", "oversight", "seeds", *COLUMNS.values(), *paired, "labels"]


def markdown(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table as Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *lines)) + "\n"


def to_markdown(rows: list[dict[str, Any]], baseline: str | None) -> str:
    """The table as Markdown."""
    return markdown(_headings(baseline), (_cells(row, baseline) for row in rows))


def _print(rows: list[dict[str, Any]], baseline: str | None) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, heading in enumerate(_headings(baseline)):
        table.add_column(heading, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*_cells(row, baseline))
    Console(width=None if Console().is_terminal else 140, highlight=False).print(table)


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


def compare(
    folder: Path, out: Path, baseline: str | None = None, paper: Path | None = None, select: str | None = None
) -> list[dict[str, Any]]:
    """Compare whatever has finished below a folder; print a table, write tables and figures.

    Args:
        folder: of runs.
        out: where ``compare.csv``, ``.json``, ``.md`` and the figures go.
        baseline: series that the others are compared with, seed by seed.
        paper: CSV of published values by level and method, shown as faint markers.
        select: which checkpoint counts, a key of ``SELECTIONS``; as each run was trained if None.

    Returns:
        The rows of the table.

    Raises:
        RequestError: if nothing has finished, the baseline or the CSV is unknown, or the files cannot be written.
    """
    results, notes = read_results(folder, select)
    groups = grouped(results)
    rows = table_rows(groups, baseline)
    published = _read_paper(paper) if paper else {}
    if any(len(group) < FEWEST for group in groups.values()):
        notes.append(f"Where there are fewer than {FEWEST} seeds no interval is given: too few for a bootstrap.")
    first = results[0].config
    if any(result.config.hyper.size != first.hyper.size for result in results):
        notes.append(f"Grids differ in size; the ceilings are those of {first.hyper.size[0]} x {first.hyper.size[1]}.")
    data = Data(groups, ceilings(first.env, gamma=first.hyper.gamma), published)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_csv(out / "compare.csv", rows)
        write_json(
            out / "compare.json",
            {"runs": str(folder), "baseline": baseline, "select": select, "rows": rows, "notes": notes},
        )
        write_whole(out / "compare.md", to_markdown(rows, baseline))
        for name in CHARTS:
            for kind, picture in draw(name, data).items():
                write_whole(out / f"{name}.{kind}", picture)
    except OSError as error:
        raise RequestError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error
    _print(rows, baseline)
    print("Interquartile mean over seeds [95 % bootstrap interval], each method at the gate it is used with.")
    for note in notes:
        print(note)
    print(f"Written to {out}: compare.csv, .json, .md; {', '.join(CHARTS)} as {' and '.join(FILES)}")
    return rows

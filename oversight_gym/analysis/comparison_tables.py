"""The tables of a comparison, for a terminal and as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from oversight_gym.analysis.compare import Comparison
from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.statistics import with_interval
from oversight_gym.runs.config import level_name

STEPWISE, HEADLINE = "return_stepwise", "none/return_start"
TITLES = {STEPWISE: "stepwise return, mixed", HEADLINE: "return from the start, nobody looks"}


@dataclass(frozen=True)
class CellTable:
    """A table of text; the first ``left`` columns are aligned to the left."""

    title: str
    headings: list[str]
    lines: list[list[str]]
    left: int = 1


def comparison_tables(comparison: Comparison) -> list[Table]:
    """A table with one row per series and oversight level and, with a baseline, a second one with the differences."""
    tables = []
    for found in _tables(comparison):
        table = Table(title=found.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for index, heading in enumerate(found.headings):
            table.add_column(heading, justify="left" if index < found.left else "right")
        for line in found.lines:
            table.add_row(*line)
        tables.append(table)
    return tables


def comparison_markdown(comparison: Comparison) -> str:
    """The same tables as Markdown."""
    parts = []
    for found in _tables(comparison):
        title = f"{found.title}:\n\n" if found.title else ""
        parts.append(title + markdown(found.headings, found.lines))
    return "\n".join(parts)


def _tables(comparison: Comparison) -> Iterator[CellTable]:
    rows, baseline, p_unwanted = comparison.rows, comparison.baseline, f"none/p_{comparison.unwanted}"
    titles = TITLES | {p_unwanted: f"P({comparison.unwanted}), nobody looks"}
    headings = ["method", "oversight", "seeds", *titles.values(), "labels"]
    yield CellTable("", headings, [_absolute(row, list(titles)) for row in rows])
    if baseline:
        chances = ["P(better), of pairs", "P(better), of any two"]
        headings = ["method", "oversight", "pairs", *TITLES.values(), *chances]
        lines = [_relative(row, baseline) for row in rows if "pairs" in row]
        title = f"Minus {baseline}, seed by seed; P(better) is of the {TITLES[HEADLINE]}"
        yield CellTable(title, headings, lines)


def _absolute(row: dict[str, Any], figures: list[str]) -> list[str]:
    series = row["series"] + (" (ground truth)" if row["uses_ground_truth"] else "")
    seeds = str(row["seeds"]) + (f" ({row['diverged']} diverged)" if row["diverged"] else "")
    return [
        series,
        level_name(row["oversight"]),
        seeds,
        *(_cell(row, name) for name in figures),
        f"{row['labels_used']:,.0f}",
    ]


def _relative(row: dict[str, Any], baseline: str) -> list[str]:
    gaps = (_cell(row, f"{name} minus {baseline}") for name in TITLES)
    chances = (_cell(row, f"{HEADLINE} better than {baseline}, {of}", "probability") for of in ("pairs", "any two"))
    return [row["series"], level_name(row["oversight"]), str(row["pairs"]), *gaps, *chances]


def _cell(row: dict[str, Any], name: str, key: str = "mean") -> str:
    """A number with its interval. It has a sign unless it is a probability."""
    if f"{name}/{key}" not in row:
        return ""
    is_probability = name.rpartition("/")[2].startswith("p_")
    form = ".2f" if key == "probability" else ".3f" if is_probability else "+.3f"
    return with_interval(row[f"{name}/{key}"], row[f"{name}/low"], row[f"{name}/high"], form)

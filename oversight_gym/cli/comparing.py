"""``compare``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from oversight_gym.cli.common import PluginOptions, writing_to
from oversight_gym.envs import RequestError

if TYPE_CHECKING:
    from oversight_gym.analysis.compare import Comparison


@dataclass(frozen=True)
class CompareOptions(PluginOptions):
    """Compare finished runs: tables and charts over methods, oversight levels and seeds."""

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs, for example of a sweep, or CSV files that --rows has written."""
    out: Path | None = None
    """Folder for tables and charts; default: compare/ in the first folder, or beside the CSV file."""
    rows: Path | None = None
    """CSV file to add the runs to, a row each, from which `compare` can make the same tables without the runs."""
    baseline: str | None = None
    """Method that the others are compared with, seed by seed."""
    select: str | None = None
    """Which checkpoint counts: last, overseen or oracle (cheating); default: as each run was trained."""
    paper: Path | None = None
    """Published returns, as faint markers: gradient-routing for the paper's, or a CSV by oversight_probability."""


def compare(options: CompareOptions) -> None:
    """Compare, write tables and charts, and print the tables; exits with status 1 if something could not be read."""
    from oversight_gym.analysis.compare import compare
    from oversight_gym.analysis.stored import store_rows

    if not options.sources:
        raise RequestError("no folder was named; give one that holds runs, for example of a sweep.")
    found = compare(*options.sources, baseline=options.baseline, paper=options.paper, select=options.select)
    first = options.sources[0]
    out = options.out or (first if first.is_dir() else first.parent) / "compare"
    write_comparison(found, out)
    if options.rows:
        with writing_to(options.rows.parent):
            store_rows(options.rows, [*found.reading.results, *found.reading.diverged])
    print_comparison(found, out)
    for sentence in found.reading.damaged:
        print(f"oversight-gym: {sentence}", file=sys.stderr)
    if found.reading.damaged:
        sys.exit(1)


def write_comparison(comparison: "Comparison", out: Path) -> None:
    """Write ``compare.csv``, ``.json``, ``.md`` and every chart that there is something to draw for.

    Raises:
        RequestError: if they cannot be written.
    """
    from oversight_gym.analysis.charts import charts_of, draw
    from oversight_gym.analysis.comparison_tables import comparison_markdown
    from oversight_gym.files import write_csv, write_json, write_whole

    with writing_to(out):
        write_csv(out / "compare.csv", comparison.rows)
        write_json(out / "compare.json", comparison.to_json())
        write_whole(out / "compare.md", comparison_markdown(comparison))
        for name in charts_of(comparison):
            for kind, picture in draw(name, comparison).items():
                write_whole(out / f"{name}.{kind}", picture)


def print_comparison(comparison: "Comparison", out: Path) -> None:
    """Print the table, the notes and where everything was written."""
    from rich.console import Console

    from oversight_gym.analysis.charts import charts_of
    from oversight_gym.analysis.comparison_tables import comparison_tables
    from oversight_gym.files import printable
    from oversight_gym.pictures.files import FILES

    console = Console(width=None if Console().is_terminal else 140, highlight=False)
    for table in comparison_tables(comparison):
        console.print(table)
    print("Mean over seeds [95 % interval, Student's t], each method at the gate it is used with.")
    for note in comparison.reading.notes:
        print(note)
    charts = ", ".join(charts_of(comparison))
    print(f"Written to {printable(out)}: compare.csv, .json, .md; {charts} as {' and '.join(FILES)}")

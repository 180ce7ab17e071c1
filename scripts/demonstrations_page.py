"""Fills docs/demonstrations.md with the results of demonstrations: their claims with answers, and their charts.

    for name in digits classes scalar unlearn edges; do oversight-gym demonstrate $name --seeds 5; done
    python scripts/demonstrations_page.py

Reads ``config.json`` and ``metrics.csv`` of every demonstration below ``--runs`` that has been run, and leaves the
sections of the others as they are.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import tyro
from marked import fill

from oversight_gym.demonstrations import NAMES, demonstration
from oversight_gym.demonstrations.folder import METRICS, claims_table, read_config, read_figures
from oversight_gym.runs.version import commit

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class PageConfig:
    """Fill the page."""

    runs: Path = Path("runs/demonstrations")
    """Folder with a folder for each demonstration."""
    docs: Path = DOCS
    """Folder of the page; charts go to its folder ``demonstrations``."""


def section(name: str, folder: Path, docs: Path) -> str:
    """What was found, in Markdown, with its chart drawn anew."""
    chosen, results = demonstration(name), list(read_figures(folder).values())
    (docs / "demonstrations").mkdir(exist_ok=True)
    chosen.chart(results).savefig(docs / "demonstrations" / f"{name}.png", dpi=90)
    quick = " --quick" if read_config(folder)["quick"] else ""
    command = f"    oversight-gym demonstrate {name}{quick} --seeds {len(results)}"
    picture = f"![{chosen.summary}](demonstrations/{name}.png)"
    stamp = f"*Seeds 0 to {len(results) - 1}. Drawn on {date.today()} at commit `{commit()}`.*"
    return "\n\n".join([command, claims_table(chosen.answers(results)), picture, stamp])


def main() -> None:
    config = tyro.cli(PageConfig)
    page = config.docs / "demonstrations.md"
    done = [name for name in NAMES if (config.runs / name / METRICS).exists()]
    fill(page, {name: section(name, config.runs / name, config.docs) for name in done})


if __name__ == "__main__":
    main()

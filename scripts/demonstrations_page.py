"""Fills docs/demonstrations.md with what demonstrations found: their claims, answered, and their charts.

    for name in digits classes scalar unlearn edges; do oversight-gym demonstrate $name --seeds 5; done
    python scripts/demonstrations_page.py

Reads ``config.json`` and ``metrics.csv`` of every demonstration below ``--runs`` that has been run, and leaves the
sections of the others as they are.
"""

import csv
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import tyro

from oversight_gym.demonstrations import NAMES, demonstration
from oversight_gym.demonstrations.folder import CONFIG, METRICS, claims_table
from oversight_gym.demonstrations.study import Results

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class PageConfig:
    """Fill the page."""

    runs: Path = Path("runs/demonstrations")
    """Folder with a folder for each demonstration."""
    docs: Path = DOCS
    """Folder of the page; charts go to its folder ``demonstrations``."""


def stored(folder: Path) -> list[Results]:
    """The results of every seed, from the figures of a demonstration's folder."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    with (folder / METRICS).open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["seed"]][row["setting"]][row["figure"]] = float(row["value"])
    return list(found.values())


def section(name: str, folder: Path, docs: Path) -> str:
    """What was found, in Markdown, with its chart drawn anew."""
    chosen, results = demonstration(name), stored(folder)
    (docs / "demonstrations").mkdir(exist_ok=True)
    chosen.chart(results).savefig(docs / "demonstrations" / f"{name}.png", dpi=90)
    quick = " --quick" if json.loads((folder / CONFIG).read_text())["quick"] else ""
    command = f"    oversight-gym demonstrate {name}{quick} --seeds {len(results)}"
    picture = f"![{chosen.summary}](demonstrations/{name}.png)"
    return "\n\n".join([command, claims_table(chosen.answers(results)), picture])


def main() -> None:
    config = tyro.cli(PageConfig)
    page = config.docs / "demonstrations.md"
    text = page.read_text()
    for name in NAMES:
        if (config.runs / name / METRICS).exists():
            filled = section(name, config.runs / name, config.docs)
            marks = rf"(<!-- {name} -->\n)(.*?)(<!-- end of {name} -->)"
            text = re.sub(marks, lambda found, filled=filled: f"{found[1]}{filled}\n{found[3]}", text, flags=re.S)
    page.write_text(text)


if __name__ == "__main__":
    main()

"""The curve on each method's page: what it does over oversight levels, drawn from the stored rows that there are."""

from dataclasses import dataclass
from pathlib import Path

from oversight_gym.analysis.charts import method_by_oversight
from oversight_gym.analysis.compare import Comparison, compare
from oversight_gym.analysis.results import provenance
from oversight_gym.analysis.statistics import FEWEST
from oversight_gym.pictures.files import chart_files

ROWS = Path(__file__).parent / "results" / "methods.csv"
"""Written by ``scripts/methods_table.py``."""


@dataclass(frozen=True)
class Curve:
    """A method's chart as SVG, and the sentence below it."""

    picture: bytes
    caption: str


def curves(rows: Path = ROWS) -> dict[str, Curve]:
    """A curve for each method that has rows; none where there is no such file or nothing in it yet."""
    if not rows.exists() or len(rows.read_text().splitlines()) < 2:
        return {}
    comparison = compare(rows)
    return {
        method: Curve(chart_files(method_by_oversight(comparison, method))["svg"], _caption(comparison, method))
        for method in dict.fromkeys(comparison.methods.values())
    }


def _caption(comparison: Comparison, method: str) -> str:
    groups = [results for (series, _), results in comparison.groups.items() if comparison.methods[series] == method]
    fewest, most = min(map(len, groups)), max(map(len, groups))
    seeds = f"{most} seed{'s' * (most > 1)}" if fewest == most else f"{fewest} to {most} seeds"
    results = [result for group in groups for result in group]
    band = "; bands are 95 % intervals of the mean by Student's t" if most >= FEWEST else ", too few for an interval"
    return (
        f"Means over {seeds} at each level, dots are seeds{band}. {provenance(results)} "
        "The command is `python scripts/methods_table.py`."
    )

"""Results of many runs: statistics, tables and charts."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.analysis.compare import Comparison, grouped
    from oversight_gym.analysis.reading import read_results
    from oversight_gym.analysis.results import Result
    from oversight_gym.analysis.statistics import Summary, summarise
    from oversight_gym.analysis.stored import store_rows

_HOMES = {
    "Comparison": "compare",
    "Result": "results",
    "Summary": "statistics",
    "grouped": "compare",
    "read_results": "reading",
    "store_rows": "stored",
    "summarise": "statistics",
}

__all__ = [
    "Comparison",
    "Result",
    "Summary",
    "grouped",
    "read_results",
    "store_rows",
    "summarise",
]


__getattr__ = lazily(__name__, _HOMES)  # scipy and matplotlib are loaded only when a name asks for them

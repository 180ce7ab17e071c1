"""Results of many runs: statistics, tables and charts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.analysis.compare import Comparison, grouped
    from oversight_gym.analysis.results import Result, read_results
    from oversight_gym.analysis.statistics import Summary, iqm, summarise

_HOMES = {
    "Comparison": "compare",
    "Result": "results",
    "Summary": "statistics",
    "grouped": "compare",
    "iqm": "statistics",
    "read_results": "results",
    "summarise": "statistics",
}

__all__ = [
    "Comparison",
    "Result",
    "Summary",
    "grouped",
    "iqm",
    "read_results",
    "summarise",
]


def __getattr__(name: str) -> Any:  # scipy and matplotlib are loaded only when a name asks for them
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

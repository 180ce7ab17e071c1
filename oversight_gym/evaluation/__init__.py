"""Exact evaluation by the ground truth: situations, solver, action probabilities, figures, ceilings, selection."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.evaluation.figures import Evaluation, ceilings, evaluate, evaluate_table
    from oversight_gym.evaluation.paper_metric import mean_paper_metric
    from oversight_gym.evaluation.probabilities import policy_query
    from oversight_gym.evaluation.quantities import figure_names
    from oversight_gym.evaluation.validation import overseen_score

_WHERE = {
    "Evaluation": "figures",
    "ceilings": "figures",
    "evaluate": "figures",
    "evaluate_table": "figures",
    "figure_names": "quantities",
    "mean_paper_metric": "paper_metric",
    "overseen_score": "validation",
    "policy_query": "probabilities",
}

__all__ = [
    "Evaluation",
    "ceilings",
    "evaluate",
    "evaluate_table",
    "figure_names",
    "mean_paper_metric",
    "overseen_score",
    "policy_query",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:  # most of it loads torch: only when asked for
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

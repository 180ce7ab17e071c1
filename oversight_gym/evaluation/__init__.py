"""Exact evaluation by the ground truth: situations, solver, action probabilities, figures, ceilings, selection."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.evaluation.choosing import ChosenGate, choose_gate, judge_choice
    from oversight_gym.evaluation.figures import Evaluation, ceilings, evaluate, evaluate_table
    from oversight_gym.evaluation.paper_metric import mean_paper_metric
    from oversight_gym.evaluation.probabilities import policy_query
    from oversight_gym.evaluation.quantities import figure_names
    from oversight_gym.evaluation.validation import overseen_score

_HOMES = {
    "ChosenGate": "choosing",
    "Evaluation": "figures",
    "ceilings": "figures",
    "choose_gate": "choosing",
    "evaluate": "figures",
    "evaluate_table": "figures",
    "figure_names": "quantities",
    "judge_choice": "choosing",
    "mean_paper_metric": "paper_metric",
    "overseen_score": "validation",
    "policy_query": "probabilities",
}

__all__ = [
    "ChosenGate",
    "Evaluation",
    "ceilings",
    "choose_gate",
    "evaluate",
    "evaluate_table",
    "figure_names",
    "judge_choice",
    "mean_paper_metric",
    "overseen_score",
    "policy_query",
]


__getattr__ = lazily(__name__, _HOMES)  # torch is loaded only when a name asks for it

"""Chooses a gate legally: the candidate that the supervisor scores best, within a label budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.validation import Score, overseen_scores

CONTRASTS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
"""The candidate contrasts beyond the first expert."""


def candidate_gates(experts: Sequence[str]) -> tuple[str, ...]:
    """The first expert alone, contrasts of it to the others, and the free gate."""
    return experts[0], *(f"{experts[0]}+{by:g}" for by in CONTRASTS), "free"


@dataclass(frozen=True)
class ChosenGate:
    """The supervisor's choice.

    Attributes:
        gate: the gate with the best score; the first of equal ones.
        scores: the score of every candidate.
    """

    gate: str
    scores: dict[str, Score]

    @property
    def labels(self) -> int:
        """The number of observed kinds that the choice consumed."""
        return next(iter(self.scores.values())).labels


def choose_gate(
    policy: GatedMixturePolicy,
    config: EnvConfig,
    labels: int,
    gamma: float,
    rng: np.random.Generator,
    candidates: Sequence[str] | None = None,
) -> ChosenGate:
    """Choose among gates by the observed outcomes of fresh episodes at the training oversight, without any ground
    truth.

    Every candidate is tried in the same situations, and they share the labels (``overseen_scores``), so that their
    differences vary far less than their scores. If nothing is observed, the first is chosen.

    Args:
        policy: a policy with at least two experts.
        config: the environment's config.
        labels: the largest number of observed kinds to spend; at least 2 for every terminal.
        gamma: the discount per step.
        rng: the generator of layouts and actions.
        candidates: gates as text; :func:`candidate_gates` if None.

    Raises:
        RequestError: if the policy has a single expert, there is no candidate or no such gate, or too few labels.
    """
    if len(policy.experts) == 1:
        raise RequestError("the policy has a single expert; there is no gate to choose.")
    names = candidate_gates(policy.experts) if candidates is None else tuple(dict.fromkeys(candidates))
    if not names:
        raise RequestError("candidates is empty; give at least one gate.")
    scores = dict(zip(names, overseen_scores(policy, config, names, gamma, labels, rng), strict=True))
    return ChosenGate(max(names, key=lambda name: scores[name].value), scores)


@dataclass(frozen=True)
class JudgedChoice(ChosenGate):
    """A choice with the ground truth beside it, for evaluation only.

    Attributes:
        returns: the return of every candidate from the start state when nobody looks; exact if the world allows it.
    """

    returns: dict[str, float]

    @property
    def best(self) -> str:
        """The candidate that is truly best."""
        return max(self.returns, key=lambda name: self.returns[name])

    @property
    def regret(self) -> float:
        """The difference between the best candidate's true return and the chosen one's."""
        return self.returns[self.best] - self.returns[self.gate]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the choice, its labels, and for each candidate its score, standard error and true return."""
        candidates = {
            name: {
                "score": score.value,
                "error": score.error if math.isfinite(score.error) else None,
                "return": self.returns[name],
            }
            for name, score in self.scores.items()
        }
        chosen = {"gate": self.gate, "labels": self.labels, "best": self.best, "regret": self.regret}
        return {**chosen, "candidates": candidates}


def judge_choice(policy: GatedMixturePolicy, config: EnvConfig, chosen: ChosenGate, gamma: float) -> JudgedChoice:
    """Compare a choice with the true return of each candidate when nobody looks (oversight pattern ``none``)."""
    evaluation = evaluate(policy, config, tuple(chosen.scores), gamma=gamma, regret=False)
    returns = {name: evaluation.figures(name, "none")["return_start"] for name in evaluation.names}
    return JudgedChoice(chosen.gate, chosen.scores, returns)

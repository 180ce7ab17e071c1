"""Steering: what a policy does as its gate is moved from one expert to the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, Scaled
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.errors import check_integer, choose
from oversight_gym.evaluation.figures import Evaluation, evaluate


def _between(weight: float, experts: int) -> Gate:
    """The gate that gives the first expert a weight, and the last one the rest."""
    return weight if experts == 2 else (weight, *[0.0] * (experts - 2), 1.0 - weight)


@dataclass(frozen=True)
class Steering:
    """A policy at several gates between two ends.

    Attributes:
        swept: what is moved from 0 to 1.
        values: from 0 to 1.
        evaluation: of the policy at each of them, in order.
    """

    swept: str
    values: tuple[float, ...]
    evaluation: Evaluation

    def rows(self) -> list[dict[str, float | str]]:
        """One row per value and pattern (``mixed`` included): ``setting``, ``pattern`` and the figures."""
        return [
            {"setting": float(name), "pattern": pattern or "mixed", **self.evaluation.figures(name, pattern)}
            for name in self.evaluation.names
            for pattern in (None, *self.evaluation.patterns)
        ]

    @property
    def ends(self) -> list[str]:
        """The figures that say on which kind an episode ends, for example ``p_diamond``."""
        return [f"p_{kind}" for kind in self.evaluation.quantities.ranked]

    def localisation(self) -> dict[str, float]:
        """How far the ends of the curve lie apart, and how straight the way between them is.

        Returns:
            ``p_diamond`` and so on: change from the first value to the last, mixed pattern; ``*_monotone``: that change
            over the sum of all changes between neighbours, 1 if monotone.
        """
        found = {}
        for key in self.ends:
            steps = np.diff([self.evaluation.figures(name)[key] for name in self.evaluation.names])
            found[key] = float(steps.sum())
            found[f"{key}_monotone"] = float(abs(steps.sum()) / max(np.abs(steps).sum(), 1e-12))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what was swept, the localisation and the rows."""
        return {"swept": self.swept, "localisation": self.localisation(), "curve": self.rows()}


def steer(
    policy: GatedMixturePolicy, config: EnvConfig, expert_scale: str | None = None, points: int = 21, **how: Any
) -> Steering:
    """Evaluate a policy over a sweep of its gate.

    Args:
        policy: with at least two experts.
        config: the environment.
        expert_scale: scale this expert's contribution from 0 to 1, the rest left at its gate value, instead
            of forcing the gate from the last expert (0) to the first (1).
        points: number of values.
        how: further arguments of ``evaluate``.

    Raises:
        RequestError: if the policy has no gate or no such expert.
    """
    check_integer("points", points, 2)
    experts = policy.experts
    if len(experts) == 1:
        raise RequestError("the policy has a single expert; steering sweeps the gate between two.")
    values = np.linspace(0.0, 1.0, points).tolist()
    gates: dict[str, Gate] = {f"{value:.4g}": _between(value, len(experts)) for value in values}
    swept = f"gate (0 {experts[-1]}, 1 {experts[0]})"
    if expert_scale is not None:
        choose("expert_scale", expert_scale, dict.fromkeys(experts))
        gates = {name: Scaled(expert_scale, float(name)) for name in gates}
        swept = f"scale of {expert_scale} expert"
    return Steering(swept, tuple(values), evaluate(policy, config, gates, **how))

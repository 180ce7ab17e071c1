"""Steering: evaluates a policy while its gate is moved from one expert to the other, and beyond."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Contrast, Gate, Scaled
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.errors import check_integer, choose
from oversight_gym.evaluation.figures import Evaluation, evaluate
from oversight_gym.evaluation.shown import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_CONTRAST, CONTRAST_STEP = 3.0, 0.25
"""The largest contrast of a curve beyond the first expert, and the step between contrasts."""
MOST_POINTS = 1001
"""The largest number of values from 0 to 1."""


def _at(weight: float, experts: tuple[str, ...]) -> Gate:
    """The gate that gives the first expert a weight: up to 1 the last one has the rest, beyond it is a contrast."""
    if weight > 1:
        return Contrast(experts[0], weight - 1)
    return weight if len(experts) == 2 else (weight, *[0.0] * (len(experts) - 2), 1.0 - weight)


@dataclass(frozen=True, repr=False)
class Steering(Shown):
    """A policy at several gates between two ends, and beyond the second one.

    Attributes:
        swept: the name of the swept value.
        values: the values from 0 to 1, and those beyond plain steering.
        evaluation: the evaluation of the policy at each value, in order.
    """

    swept: str
    values: tuple[float, ...]
    evaluation: Evaluation

    @property
    def plain(self) -> list[str]:
        """The names of the values from 0 to 1."""
        return [name for name, value in zip(self.evaluation.names, self.values, strict=True) if value <= 1]

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
        """The distance between the ends of the curve, and how monotone it is.

        Returns:
            ``p_diamond`` and so on: change from value 0 to value 1, mixed pattern; ``*_monotone``: that change
            over the sum of all changes between neighbours, 1 if monotone.
        """
        found = {}
        for key in self.ends:
            steps = np.diff([self.evaluation.figures(name)[key] for name in self.plain])
            found[key] = float(steps.sum())
            found[f"{key}_monotone"] = float(abs(steps.sum()) / max(np.abs(steps).sum(), 1e-12))
        return found

    def _shown(self) -> "list[RenderableType]":
        from oversight_gym.evaluation.tables import steering_table

        return [steering_table(self)]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what was swept, the localisation and the rows."""
        return {"swept": self.swept, "localisation": self.localisation(), "curve": self.rows()}


def steer(
    policy: GatedMixturePolicy,
    config: EnvConfig,
    expert_scale: str | None = None,
    points: int = 21,
    contrast: float = MOST_CONTRAST,
    **how: Any,
) -> Steering:
    """Evaluate a policy over a sweep of its gate.

    Args:
        policy: a policy with at least two experts.
        config: the environment's config.
        expert_scale: scale this expert's contribution from 0 to 1, the rest left at its gate value, instead
            of forcing the gate from the last expert (0) to the first (1) and beyond.
        points: the number of values from 0 to 1.
        contrast: the largest contrast beyond the first expert, in steps of ``CONTRAST_STEP``: value 1 + c is the gate
            ``Contrast(first expert, c)``.
        how: further arguments of ``evaluate``.

    Raises:
        RequestError: if the policy has no gate or no such expert, or the contrast is not in [0, 100].
    """
    if check_integer("points", points, 2) > MOST_POINTS:
        raise RequestError(f"points is {points}; give at most {MOST_POINTS}.")
    experts = policy.experts
    if len(experts) == 1:
        raise RequestError("the policy has a single expert; steering sweeps the gate between two.")
    if not 0 <= contrast <= 100:
        raise RequestError(f"contrast is {contrast:g}; give a number from 0 to 100.")
    values = np.linspace(0.0, 1.0, points).tolist()
    if expert_scale is not None:
        choose("expert_scale", expert_scale, dict.fromkeys(experts))
        gates: dict[str, Gate] = {f"{value:.4g}": Scaled(expert_scale, value) for value in values}
        return Steering(f"scale of {expert_scale} expert", tuple(values), evaluate(policy, config, gates, **how))
    values += [1 + CONTRAST_STEP * step for step in range(1, int(contrast / CONTRAST_STEP + 1e-9) + 1)]
    gates = {f"{value:.4g}": _at(value, experts) for value in values}
    swept = f"gate (0 {experts[-1]}, 1 {experts[0]}{', 1 + c contrast c' * (values[-1] > 1)})"
    return Steering(swept, tuple(values), evaluate(policy, config, gates, **how))

"""The ways to set the gate of a mixture policy, and a policy with a set gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import Distribution
from torch import Tensor

from oversight_gym.agents.routing.mixture import Forced
from oversight_gym.envs.errors import RequestError

if TYPE_CHECKING:
    from oversight_gym.agents.policies.policy import GatedMixturePolicy


MOST_WEIGHT = 1000.0
"""The largest size of a weight; far beyond it the logits would not be finite."""


@dataclass(frozen=True)
class Scaled:
    """The free gate with one expert's contribution scaled, the others left at their gate value."""

    expert: str
    scale: float


@dataclass(frozen=True)
class Contrast:
    """One expert with weight 1 + ``by`` and the others with ``-by`` in equal shares, which goes beyond that expert
    alone.

    The head is linear, so the logits of the others are subtracted from those of the one. The weights sum to 1.
    """

    expert: str
    by: float


Gate = str | float | Sequence[float] | Scaled | Contrast | None
"""How to set the gate: an expert's name, the first of two experts' weight, a weight per expert, the free gate with one
expert scaled, a contrast of one expert to the others, or ``"free"`` or None (as learnt). Weights may be below 0 and
above 1. Text is read as by :func:`parse_gate`."""


def _numbers(text: str) -> list[float] | None:
    """The numbers of a text such as ``0.3`` or ``0.2/0.3/0.5``; None if it holds something else."""
    try:
        return [float(part) for part in text.split("/")]
    except ValueError:
        return None


def parse_gate(text: str) -> Gate:
    """The gate that a text stands for.

    ``free``; an expert's name; ``0.3``, the first of two experts' weight; ``0.2/0.3/0.5``, a weight per expert;
    ``diamond+0.5``, a :class:`Contrast`; ``ghost*0.2``, a :class:`Scaled`. Anything else is read as a name and refused
    when the gate is used.
    """
    weights = _numbers(text)
    if weights is not None:
        return weights[0] if len(weights) == 1 else tuple(weights)
    for sign, kind in (("+", Contrast), ("*", Scaled)):
        expert, found, rest = text.rpartition(sign)
        amount = _numbers(rest)
        if found and amount is not None and len(amount) == 1:
            return kind(expert, amount[0])
    return text


def gate_text(gate: Gate) -> str:
    """The text of a gate, numbers to four digits; the inverse of :func:`parse_gate`."""
    if gate is None or isinstance(gate, str):
        return gate or "free"
    if isinstance(gate, Contrast):
        return f"{gate.expert}+{gate.by:.4g}"
    if isinstance(gate, Scaled):
        return f"{gate.expert}*{gate.scale:.4g}"
    return "/".join(f"{weight:.4g}" for weight in ([gate] if isinstance(gate, int | float) else gate))


def _index(expert: str, experts: Sequence[str]) -> int:
    if expert not in experts:
        raise RequestError(
            f"there is no expert {expert!r}; choose 'free' or one of {', '.join(experts)}, a weight such as 0.3, or "
            f"a contrast such as {experts[0]}+0.5."
        )
    return experts.index(expert)


def _weights(gate: str | float | Sequence[float] | Contrast, experts: Sequence[str]) -> list[float]:
    """One weight per expert."""
    if isinstance(gate, int | float):
        return [float(gate), 1.0 - float(gate)]
    if isinstance(gate, str):
        gate = Contrast(gate, 0.0)
    if isinstance(gate, Contrast):
        chosen = _index(gate.expert, experts)
        return [1.0 + gate.by if k == chosen else -gate.by / (len(experts) - 1) for k in range(len(experts))]
    return [float(weight) for weight in gate]


def gate_vector(gate: Gate, experts: Sequence[str]) -> Tensor | None:
    """The weights that a gate stands for, shape (experts,), float32; None if it leaves the gate free.

    Raises:
        RequestError: if there is no such expert, or the numbers do not fit.
    """
    gate = parse_gate(gate) if isinstance(gate, str) else gate
    if gate is None or gate == "free":
        return None
    if len(experts) == 1:
        raise RequestError(f"the gate is set to {gate_text(gate)}, but this policy has a single expert; leave it free.")
    if isinstance(gate, Scaled):
        raise RequestError(
            f"the gate is {gate_text(gate)}, which has no weights of its own; give an expert's name or numbers."
        )
    weights = _weights(gate, experts)
    if len(weights) != len(experts) or not all(abs(weight) <= MOST_WEIGHT for weight in weights):
        raise RequestError(
            f"the gate is {gate_text(gate)}; give a weight from -{MOST_WEIGHT:g} to {MOST_WEIGHT:g} for each of "
            f"{', '.join(experts)}."
        )
    return torch.tensor(weights, dtype=torch.float32)


def forced_gate(gate: Gate, experts: Sequence[str], device: torch.device) -> Forced | None:
    """The replacement for the free gate that a gate stands for; None if it leaves the gate free.

    Raises:
        RequestError: as :func:`gate_vector`.
    """
    gate = parse_gate(gate) if isinstance(gate, str) else gate
    if isinstance(gate, Scaled):
        one = gate_vector(Contrast(gate.expert, 0.0), experts)
        assert one is not None
        if not abs(gate.scale) <= MOST_WEIGHT:
            raise RequestError(f"the gate is {gate_text(gate)}; give a scale from -{MOST_WEIGHT:g} to {MOST_WEIGHT:g}.")
        factor = (1 - (1 - gate.scale) * one).to(device)
        return lambda free: free * factor
    weights = gate_vector(gate, experts)
    return None if weights is None else weights.to(device)


class SteeredPolicy:
    """A mixture policy with a set gate. It can be used wherever SB3 expects an object with ``predict``.

    Args:
        policy: the policy; its weights are shared, not copied.
        gate: the setting of the gate.
    """

    def __init__(self, policy: "GatedMixturePolicy", gate: Gate) -> None:
        policy.forced(gate)  # refuse a wrong gate now, not at the first step
        self.policy, self.gate = policy, gate

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[NDArray[np.int64], Any]:
        """As ``BasePolicy.predict``, with the gate set."""
        with self.policy.steer(self.gate):
            actions, state = self.policy.predict(observation, state, episode_start, deterministic)
        return actions, state

    def get_distribution(self, obs: Any) -> Distribution:
        """As ``ActorCriticPolicy.get_distribution``, with the gate set."""
        with self.policy.steer(self.gate):
            return self.policy.get_distribution(obs)

"""How to set the gate of a mixture policy, and a policy seen through a set gate."""

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


@dataclass(frozen=True)
class Scaled:
    """The free gate with one expert's contribution scaled, the others left at their gate value."""

    expert: str
    scale: float


Gate = str | float | Sequence[float] | Scaled | None
"""How to set the gate: an expert's name, the first of two experts' weight, a weight per expert, the free gate with one
expert scaled, or ``"free"`` or None (as learnt)."""


def gate_vector(gate: Gate, experts: Sequence[str]) -> Tensor | None:
    """The weights that a gate stands for, shape (experts,), float32; None if it leaves the gate free.

    Raises:
        RequestError: if there is no such expert, or the numbers do not fit.
    """
    if gate is None or gate == "free":
        return None
    if len(experts) == 1:
        raise RequestError(f"the gate is set to {gate!r}, but this policy has a single expert; leave it free.")
    if isinstance(gate, str):
        if gate not in experts:
            raise RequestError(f"there is no expert {gate!r}; choose 'free' or one of {', '.join(experts)}.")
        weights = [float(name == gate) for name in experts]
    elif isinstance(gate, int | float):
        weights = [float(gate), 1.0 - float(gate)]
    elif isinstance(gate, Scaled):
        raise RequestError(f"gate is {gate}, which has no weights of its own; give an expert's name or numbers.")
    else:
        weights = [float(weight) for weight in gate]
    if len(weights) != len(experts) or not all(0.0 <= weight <= 1.0 for weight in weights):
        raise RequestError(f"gate is {gate!r}; give one weight in [0, 1] for each of {tuple(experts)}.")
    return torch.tensor(weights, dtype=torch.float32)


def forced_gate(gate: Gate, experts: Sequence[str], device: torch.device) -> Forced | None:
    """What a gate replaces the free one with; None if it leaves it free.

    Raises:
        RequestError: as :func:`gate_vector`.
    """
    chosen = gate_vector(gate.expert if isinstance(gate, Scaled) else gate, experts)
    if isinstance(gate, Scaled):
        if chosen is None:
            raise RequestError(f"expert is {gate.expert!r}; choose one of {', '.join(experts)}.")
        factor = (1 - (1 - gate.scale) * chosen).to(device)
        return lambda free: free * factor
    return None if chosen is None else chosen.to(device)


class SteeredPolicy:
    """A mixture policy seen through a set gate. Usable wherever SB3 wants an object with ``predict``.

    Args:
        policy: the policy; its weights are shared, not copied.
        gate: how the gate is set.
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

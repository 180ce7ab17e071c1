"""The mixture as a stable-baselines3 policy, how to steer it, and first layers that read sparse observations."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.agents.policies.forward import ForwardPass, Minibatch, forward_batch
    from oversight_gym.agents.policies.policy import GatedMixturePolicy
    from oversight_gym.agents.policies.steering import Contrast, Gate, Scaled, SteeredPolicy, parse_gate

_HOMES = {
    "Contrast": "steering",
    "ForwardPass": "forward",
    "Gate": "steering",
    "GatedMixturePolicy": "policy",
    "Minibatch": "forward",
    "Scaled": "steering",
    "SteeredPolicy": "steering",
    "forward_batch": "forward",
    "parse_gate": "steering",
}

__all__ = [
    "Contrast",
    "ForwardPass",
    "Gate",
    "GatedMixturePolicy",
    "Minibatch",
    "Scaled",
    "SteeredPolicy",
    "forward_batch",
    "parse_gate",
]


__getattr__ = lazily(__name__, _HOMES)  # torch is loaded only when a name asks for it

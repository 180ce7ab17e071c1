"""The mixture as a stable-baselines3 policy, how to steer it, and first layers that read sparse observations."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.agents.policies.forward import ForwardPass, Minibatch, forward_batch
    from oversight_gym.agents.policies.policy import GatedMixturePolicy
    from oversight_gym.agents.policies.steering import Gate, Scaled, SteeredPolicy

_WHERE = {
    "ForwardPass": "forward",
    "Gate": "steering",
    "GatedMixturePolicy": "policy",
    "Minibatch": "forward",
    "Scaled": "steering",
    "SteeredPolicy": "steering",
    "forward_batch": "forward",
}

__all__ = ["ForwardPass", "Gate", "GatedMixturePolicy", "Minibatch", "Scaled", "SteeredPolicy", "forward_batch"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:  # torch is loaded only when a name asks for it
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

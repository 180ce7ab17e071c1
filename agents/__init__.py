"""Gradient routing, the gated mixture of experts, RoutedPPO and the oversight methods."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.agents.methods.builtin import METHODS, Method, register
    from oversight_gym.agents.methods.method import PLAIN
    from oversight_gym.agents.policies.policy import GatedMixturePolicy
    from oversight_gym.agents.policies.steering import Gate, Scaled, SteeredPolicy
    from oversight_gym.agents.ppo.rollouts import RoutedRollouts
    from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
    from oversight_gym.agents.routing import GatedMixture, gate_loss, route_gradient

_HOMES = {
    "METHODS": "methods.builtin",
    "PLAIN": "methods.method",
    "Gate": "policies.steering",
    "GatedMixture": "routing.mixture",
    "GatedMixturePolicy": "policies.policy",
    "Method": "methods.builtin",
    "RoutedPPO": "ppo.routed_ppo",
    "RoutedRollouts": "ppo.rollouts",
    "Scaled": "policies.steering",
    "SteeredPolicy": "policies.steering",
    "gate_loss": "routing.mixture",
    "register": "methods.builtin",
    "route_gradient": "routing.gradients",
}

__all__ = [
    "METHODS",
    "PLAIN",
    "Gate",
    "GatedMixture",
    "GatedMixturePolicy",
    "Method",
    "RoutedPPO",
    "RoutedRollouts",
    "Scaled",
    "SteeredPolicy",
    "gate_loss",
    "register",
    "route_gradient",
]


def __getattr__(name: str) -> Any:  # torch is loaded only when a name asks for it
    if name in _HOMES:
        return getattr(import_module(f"oversight_gym.agents.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

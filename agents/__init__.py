"""Gradient routing, the gated mixture of experts, RoutedPPO and the oversight methods."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.agents.methods.builtin import METHODS, Method, register
    from oversight_gym.agents.policies.mixture import GatedMixture
    from oversight_gym.agents.policies.policy import GatedMixturePolicy, SteeredPolicy
    from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
    from oversight_gym.agents.routing.gradients import route_gradient

_HOMES = {
    "METHODS": "methods.builtin",
    "GatedMixture": "policies.mixture",
    "GatedMixturePolicy": "policies.policy",
    "Method": "methods.builtin",
    "RoutedPPO": "ppo.routed_ppo",
    "SteeredPolicy": "policies.policy",
    "register": "methods.builtin",
    "route_gradient": "routing.gradients",
}

__all__ = [
    "METHODS",
    "GatedMixture",
    "GatedMixturePolicy",
    "Method",
    "RoutedPPO",
    "SteeredPolicy",
    "register",
    "route_gradient",
]


def __getattr__(name: str) -> Any:  # torch is loaded only when a name asks for it
    if name in _HOMES:
        return getattr(import_module(f"oversight_gym.agents.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Gradient routing, the gated mixture of experts, RoutedPPO and the oversight methods."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.agents.methods.builtin import METHODS, Method, register
    from oversight_gym.agents.methods.method import PLAIN
    from oversight_gym.agents.policies.forward import ForwardPass, Minibatch, forward_batch
    from oversight_gym.agents.policies.policy import GatedMixturePolicy
    from oversight_gym.agents.policies.steering import Contrast, Gate, Scaled, SteeredPolicy, parse_gate
    from oversight_gym.agents.ppo.losses import Term
    from oversight_gym.agents.ppo.rollouts import RoutedRollouts
    from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
    from oversight_gym.agents.routing import GatedMixture, gate_loss, route_gradient

_HOMES = {
    "METHODS": "methods.builtin",
    "PLAIN": "methods.method",
    "Contrast": "policies.steering",
    "ForwardPass": "policies.forward",
    "Gate": "policies.steering",
    "GatedMixture": "routing.mixture",
    "GatedMixturePolicy": "policies.policy",
    "Method": "methods.builtin",
    "Minibatch": "policies.forward",
    "RoutedPPO": "ppo.routed_ppo",
    "RoutedRollouts": "ppo.rollouts",
    "Scaled": "policies.steering",
    "SteeredPolicy": "policies.steering",
    "Term": "ppo.losses",
    "forward_batch": "policies.forward",
    "gate_loss": "routing.mixture",
    "parse_gate": "policies.steering",
    "register": "methods.builtin",
    "route_gradient": "routing.gradients",
}

__all__ = [
    "METHODS",
    "PLAIN",
    "Contrast",
    "ForwardPass",
    "Gate",
    "GatedMixture",
    "GatedMixturePolicy",
    "Method",
    "Minibatch",
    "RoutedPPO",
    "RoutedRollouts",
    "Scaled",
    "SteeredPolicy",
    "Term",
    "forward_batch",
    "gate_loss",
    "parse_gate",
    "register",
    "route_gradient",
]


__getattr__ = lazily(__name__, _HOMES)  # torch is loaded only when a name asks for it

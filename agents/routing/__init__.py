"""Gradient routing and the gated mixture of experts, for any torch module."""

from oversight_gym.agents.routing.gradients import UNLABELLED, expert_mask, gate_mask, route_gradient
from oversight_gym.agents.routing.mixture import GatedMixture, Mixed, gate_loss, gate_shares
from oversight_gym.agents.routing.parameters import Edges, route_linear, route_units

__all__ = [
    "UNLABELLED",
    "Edges",
    "GatedMixture",
    "Mixed",
    "expert_mask",
    "gate_loss",
    "gate_mask",
    "gate_shares",
    "route_gradient",
    "route_linear",
    "route_units",
]

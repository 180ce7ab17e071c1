"""Gradient routing and the gated mixture of experts, for any torch module."""

from oversight_gym.agents.routing.gradients import UNLABELLED, expert_mask, gate_mask, route_gradient
from oversight_gym.agents.routing.mixture import GatedMixture, Mixed, gate_loss, gate_shares

__all__ = [
    "UNLABELLED",
    "GatedMixture",
    "Mixed",
    "expert_mask",
    "gate_loss",
    "gate_mask",
    "gate_shares",
    "route_gradient",
]

"""Gradient routing: decide per sample where the gradient may go, without changing any forward value.

After "Gradient Routing" (Cloud et al., arXiv 2410.04332, section 3).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

UNLABELLED = -1
"""The label of a sample that is routed everywhere."""


class _MaskGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(mask)
        return activations.view_as(activations)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return gradient * mask, None


def route_gradient(activations: Tensor, mask: Tensor) -> Tensor:
    """Pass the gradient where the mask is 1 and stop it where it is 0.

    Equal to the paper's ``mask * x + (1 - mask) * x.detach()`` in value and gradient, but bit-exact in
    value, also where x is infinite. Masks between 0 and 1 scale the gradient.

    Args:
        activations: any shape, floating point.
        mask: broadcastable to ``activations``; bool or floating point.

    Returns:
        ``activations``, unchanged in value.
    """
    routed: Tensor = _MaskGradient.apply(activations, mask.to(activations.dtype))  # type: ignore[no-untyped-call]
    return routed


def expert_mask(labels: Tensor, experts: int) -> Tensor:
    """Which experts the gradient of each sample may reach.

    Args:
        labels: shape (batch,), int64: the index of an expert, or ``UNLABELLED``.
        experts: the number of experts.

    Returns:
        shape (batch, experts), bool: only the labelled expert, or all experts where there is no label.
    """
    index = torch.arange(experts, device=labels.device)
    return (labels[:, None] == index) | (labels[:, None] == UNLABELLED)


def gate_mask(labels: Tensor) -> Tensor:
    """Whether the gradient of each sample may reach the gate: only where unlabelled; shape (batch,), bool."""
    return labels == UNLABELLED

"""Gradient routing at the parameters of a linear layer, which leaves the gradient of activations unchanged.

A node of the computation graph has edges to the activations that it was computed from and to the weights that it was
computed with. :func:`route_gradient` masks a node, and with it all edges behind it; :func:`route_linear` masks the
edges to the weights alone.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from oversight_gym.agents.routing.gradients import route_gradient

Edges = Literal["activations", "parameters", "both"]
"""The edges at the units of a hidden layer that are masked; see :func:`route_units`."""


class _LinearWithMaskedWeights(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, rows: Tensor | None, columns: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight, rows, columns)
        ctx.has_bias = bias is not None
        return functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, rows, columns = ctx.saved_tensors
        to_inputs = gradient @ weight
        gradient = gradient if rows is None else gradient * rows
        read = inputs if columns is None else inputs * columns
        to_weight = gradient.reshape(-1, gradient.shape[-1]).T @ read.reshape(-1, read.shape[-1])
        to_bias = gradient.reshape(-1, gradient.shape[-1]).sum(dim=0) if ctx.has_bias else None
        return to_inputs, to_weight, to_bias, None, None


def route_linear(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Tensor | None = None,
    columns: Tensor | None = None,
) -> Tensor:
    """A linear layer in which masks determine how much each sample may change which weights.

    The value, and the gradient of the inputs, are those of ``torch.nn.functional.linear``.

    Args:
        inputs: shape (..., inputs), floating point.
        weight: shape (outputs, inputs).
        bias: shape (outputs,), or None.
        rows: broadcastable to the outputs: a factor of what a sample adds to the gradient of each row of the weights
            and of the bias; None for 1.
        columns: broadcastable to the inputs: the same for the columns of the weights; the bias has no columns.

    Returns:
        shape (..., outputs).
    """
    masks = (mask if mask is None else mask.to(inputs.dtype) for mask in (rows, columns))
    routed: Tensor = _LinearWithMaskedWeights.apply(inputs, weight, bias, *masks)  # type: ignore[no-untyped-call]
    return routed


def route_units(
    inputs: Tensor,
    into: torch.nn.Linear,
    out: torch.nn.Linear,
    mask: Tensor,
    edges: Edges = "activations",
) -> Tensor:
    """A hidden layer of ReLU units in which a mask determines what each sample may change; its value does not depend on
    the mask.

    Args:
        inputs: shape (..., inputs).
        into: the layer that computes the units.
        out: the layer that reads the units.
        mask: broadcastable to the units, shape (..., units).
        edges: the edges that are masked. ``activations``: from the units backwards, to the weights that computed them
            and to everything below; the weights that read them still learn. ``parameters``: to the weights on both
            sides of the units; what lies below still gets the gradient that passes through the units. ``both``: all of
            these.

    Returns:
        shape (..., outputs).
    """
    at_weights = None if edges == "activations" else mask
    units = torch.relu(route_linear(inputs, into.weight, into.bias, rows=at_weights))
    if edges != "parameters":
        units = route_gradient(units, mask)
    return route_linear(units, out.weight, out.bias, columns=at_weights)

"""Layers on binary inputs with a forward and backward pass by hand. They work chunk by chunk and take little more time
than their matrix products."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from oversight_gym.agents.policies.multi_hot import MultiHot
from oversight_gym.agents.policies.products import product

CHUNK = 2**19
"""The number of activations of a layer that are computed at a time (2 MiB). More would not fit into the cache; with
2**17, calls took a tenth of an update."""


class Activation(NamedTuple):
    """An activation function.

    Attributes:
        apply: changes its argument in place, and returns it.
        slope: the function from the gradient at its output, and that output, to the gradient at its input.
    """

    apply: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Identity: Activation(lambda inputs: inputs, lambda gradient, _: gradient),
    nn.ReLU: Activation(torch.relu_, lambda gradient, outputs: torch.ops.aten.threshold_backward(gradient, outputs, 0)),
    nn.Tanh: Activation(torch.tanh_, torch.ops.aten.tanh_backward),
}
"""The activations that :func:`perceptron` supports."""


class Layer(NamedTuple):
    """A linear layer and what follows it.

    Attributes:
        weight: shape (outputs, inputs), contiguous; (inputs, outputs) for the first layer.
        bias: shape (outputs,).
        activation: the activation that follows.
    """

    weight: Tensor
    bias: Tensor
    activation: Activation


def perceptron(hot: MultiHot, layers: Sequence[Layer], mask: Tensor | None = None) -> Tensor:
    """The output of layers on binary inputs; it can be differentiated once, with respect to weights and biases.

    Args:
        hot: the inputs.
        layers: at least one layer.
        mask: shape (rows,), bool: the rows whose gradient passes beyond the last layer; None for all.

    Returns:
        shape (rows, outputs).
    """
    if not torch.is_grad_enabled():
        return _forward(hot, layers)
    parameters = (parameter for layer in layers for parameter in (layer.weight, layer.bias))
    outputs: Tensor = _Perceptron.apply(hot, layers, mask, *parameters)  # type: ignore[no-untyped-call]
    return outputs


def _forward(hot: MultiHot, layers: Sequence[Layer], kept: list[list[Tensor]] | None = None) -> Tensor:
    """The forward pass, which appends every chunk's outputs of all layers to ``kept``."""
    table, bias, activation = layers[0]
    table = table.detach()  # spares torch the bookkeeping for a gradient
    outputs = []
    for chunk in hot.chunks(_rows(layers)):
        found = [activation.apply(_sums(table, chunk.inputs, chunk.first).add_(bias))]
        for layer in layers[1:]:
            found.append(layer.activation.apply(product(found[-1], layer.weight, layer.bias)))
        outputs.append(found[-1][: chunk.rows])
        if kept is not None:
            kept.append(found)
    return torch.cat(outputs) if len(outputs) > 1 else outputs[0]


def _rows(layers: Sequence[Layer]) -> int:
    return max(1, CHUNK // len(layers[0].bias))


def _sums(table: Tensor, rows: Tensor, first: Tensor) -> Tensor:
    """Sums of a table's rows, one for each entry of ``first``, which gives the beginning of its rows."""
    sums: Tensor = torch.embedding_bag(table, rows, first, False, 0)[0]  # mode 0 sums
    return sums


class _Perceptron(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hot: MultiHot, layers: Sequence[Layer], mask: Tensor | None, *_: Tensor) -> Tensor:
        ctx.hot, ctx.layers, ctx.mask, ctx.kept = hot, layers, mask, []
        return _forward(hot, layers, ctx.kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        layers: Sequence[Layer] = ctx.layers
        sums = [(torch.zeros_like(layer.weight), torch.zeros_like(layer.bias)) for layer in layers]
        chunks = ctx.hot.chunks(_rows(layers))
        begin = 0
        for chunk, found in zip(chunks, ctx.kept, strict=True):
            rows, begin = slice(begin, begin + chunk.rows), begin + chunk.rows
            filled = (0, 0, 0, len(found[0]) - chunk.rows)
            at = pad(gradient[rows], filled)
            for index in reversed(range(len(layers))):
                of_weight, of_bias = sums[index]
                at = layers[index].activation.slope(at, found[index])
                of_bias += at.sum(dim=0)
                if not index:
                    samples, first = chunk.transposed
                    of_weight += _sums(at.contiguous(), samples, first)
                    break
                of_weight += product(at.T, found[index - 1].T)
                if ctx.mask is not None and index == len(layers) - 1:
                    at = at * pad(ctx.mask[rows, None], filled)
                at = product(at, layers[index].weight.T)
        return None, None, None, *(each for pair in sums for each in pair)

"""Layers that read binary observations: where only a few inputs are 1, a matrix product is a sum of few rows."""

from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

CHUNK = 2048
"""Samples at a time, so that the activations of a chunk stay in the cache, and out of fresh memory."""


def flat_binary(obs: Tensor) -> Tensor:
    """Binary observations (samples, ...) of any type as a matrix (samples, inputs), int8."""
    return obs.flatten(1).to(torch.int8)


def _ones(binary: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat positions of the ones of a matrix, and where each sample's begin among them and the last one's end."""
    samples, width = binary.shape
    ones = np.flatnonzero(binary.contiguous().numpy().view(bool))
    return ones, np.searchsorted(ones, np.arange(samples + 1) * width)


class MultiHot:
    """A binary matrix (samples, inputs) by the positions of its ones.

    Args:
        binary: the matrix, int8 in {0, 1}, on the CPU.

    Attributes:
        inputs: shape (ones,), int64: the input of each one, sample by sample.
        first: shape (samples,), int64: where each sample's ones begin.
    """

    def __init__(self, binary: Tensor) -> None:
        self._width = binary.shape[1]
        self._ones, bounds = _ones(binary)
        self.inputs = torch.from_numpy(self._ones % self._width)
        self.first = torch.from_numpy(bounds[:-1])

    @classmethod
    def chunks(cls, binary: Tensor) -> "list[MultiHot]":
        """A matrix in parts of at most ``CHUNK`` samples."""
        return [cls(part) for part in torch.split(binary, CHUNK)]

    @cached_property
    def transposed(self) -> tuple[Tensor, Tensor]:
        """The sample of each one, input by input (ones,), and where each input's ones begin (inputs,)."""
        sample, column = np.divmod(self._ones, self._width)
        order = np.argsort(column.astype(np.min_scalar_type(self._width)), kind="stable")  # 16 bits: a radix sort
        first = np.searchsorted(column[order], np.arange(self._width))
        return torch.from_numpy(sample[order]), torch.from_numpy(first)


@lru_cache(maxsize=8)
def _codes(width: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(2**63, size=width)


def keys(binary: Tensor) -> NDArray[np.int64]:
    """A number per row of a binary matrix, the same for equal rows; shape (samples,), int64.

    Sums of random codes of the ones (Zobrist hashing): n different rows share one with a chance of n^2 / 2^65.
    """
    width = binary.shape[1]
    ones, bounds = _ones(binary)
    sums = np.zeros(len(ones) + 1, dtype=np.int64)
    np.cumsum(_codes(width)[ones % width], out=sums[1:])  # wraps around, which does no harm
    return sums[bounds[1:]] - sums[bounds[:-1]]


class Distinct(NamedTuple):
    """The different rows of a batch.

    Attributes:
        first: shape (rows,), int64: where each is first found.
        row: shape (samples,), int64: which of them each sample is.
        repeats: shape (rows,), int64: how many samples each stands for.
    """

    first: Tensor
    row: Tensor
    repeats: Tensor

    @classmethod
    def of(cls, binary: Tensor, labels: Tensor | None = None) -> "Distinct":
        """Rows of a matrix (samples, inputs), int8 in {0, 1}; with ``labels`` (samples,), of equal label, too."""
        found = keys(binary)
        if labels is not None:
            code_of_label = _codes(binary.shape[1] + 1)[-1]
            found = found + (labels.numpy().astype(np.int64) + 1) * code_of_label
        _, *parts = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
        return cls(*map(torch.from_numpy, parts))


class _MultiHotLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, hot: MultiHot) -> Tensor:
        ctx.hot = hot
        return embedding_bag(hot.inputs, weight, hot.first, mode="sum").add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        gradient = gradient.contiguous()
        samples, first = ctx.hot.transposed
        return embedding_bag(samples, gradient, first, mode="sum"), gradient.sum(dim=0), None


def multi_hot_linear(hot: MultiHot, weight: Tensor, bias: Tensor) -> Tensor:
    """``binary @ weight + bias``, in the time of a few additions per sample.

    Args:
        hot: the binary matrix, (samples, inputs).
        weight: shape (inputs, outputs), float32, contiguous.
        bias: shape (outputs,).

    Returns:
        shape (samples, outputs). Equal to the matrix product up to the order of its sums.
    """
    summed: Tensor = _MultiHotLinear.apply(weight, bias, hot)  # type: ignore[no-untyped-call]
    return summed

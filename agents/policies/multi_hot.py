"""Binary observations in sparse form: if only a few inputs are 1, a matrix product is a sum of few rows."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDED = 64
"""A chunk is padded to a multiple of this number, because oneDNN compiles a kernel for every number of rows."""


def flat_binary(obs: Tensor) -> Tensor:
    """Binary observations (samples, ...) of any type as a matrix (samples, inputs), int8."""
    return obs.flatten(1).to(torch.int8)


class Chunk:
    """Some rows of a binary matrix, in the form that torch's sums of embeddings take.

    Args:
        inputs: shape (ones,), int64: the column of each one, row by row.
        bounds: shape (rows + 1,), int64: where each row's ones begin, and where the last one's end.
        width: the number of columns.

    Attributes:
        rows: the number of rows.
        inputs: as above.
        first: shape (rows and more,), int64: where each row's ones begin; filled up with empty rows (``ROUNDED``).
    """

    def __init__(self, inputs: NDArray[np.int64], bounds: NDArray[np.int64], width: int) -> None:
        self.rows = len(bounds) - 1
        self._columns, self._bounds, self._width = inputs, bounds, width
        self.inputs = torch.from_numpy(inputs)
        self.first = torch.from_numpy(np.concatenate([bounds[:-1], np.full(-self.rows % ROUNDED, len(inputs))]))

    @cached_property
    def transposed(self) -> tuple[Tensor, Tensor]:
        """The row of each one, column by column (ones,), and where each column's ones begin (width,)."""
        column = self._columns.astype(np.min_scalar_type(self._width))
        order = np.argsort(column, kind="stable")  # up to 16 bits: a radix sort
        row = np.repeat(np.arange(self.rows), np.diff(self._bounds))
        first = np.searchsorted(column[order], np.arange(self._width, dtype=column.dtype))
        return torch.from_numpy(row[order]), torch.from_numpy(first)


class MultiHot:
    """A binary matrix given by the positions of its ones, as in a sparse matrix in row order.

    Args:
        inputs: shape (ones,), int64: the column of each one, row by row.
        bounds: shape (rows + 1,), int64: where each row's ones begin, and where the last one's end.
        width: the number of columns.
    """

    def __init__(self, inputs: NDArray[np.int64], bounds: NDArray[np.int64], width: int) -> None:
        self.inputs, self.bounds, self.width = inputs, bounds, width
        self._chunks: dict[int, list[Chunk]] = {}

    @classmethod
    def of(cls, binary: Tensor) -> "MultiHot":
        """The ones of a matrix (rows, width), int8 in {0, 1}, on the CPU."""
        rows, width = binary.shape
        ones = np.flatnonzero(binary.contiguous().numpy().view(bool))
        return cls(ones % width, np.searchsorted(ones, np.arange(rows + 1) * width), width)

    @classmethod
    def join(cls, parts: Sequence["MultiHot"]) -> "MultiHot":
        """The rows of several matrices, one after the other."""
        counts = np.concatenate([np.diff(part.bounds) for part in parts])
        return cls(np.concatenate([part.inputs for part in parts]), _bounds(counts), parts[0].width)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, rows: NDArray[np.int64]) -> "MultiHot":
        """The rows at these indices, shape (m,)."""
        counts = np.diff(self.bounds)[rows]
        bounds = _bounds(counts)
        ones = np.arange(bounds[-1]) + np.repeat(self.bounds[rows] - bounds[:-1], counts)
        return MultiHot(self.inputs[ones], bounds, self.width)

    def chunks(self, most: int) -> list[Chunk]:
        """The matrix in parts of at most ``most`` rows. The parts are kept, because several networks read them."""
        if most not in self._chunks:
            cuts = [self.bounds[start : start + most + 1] for start in range(0, max(len(self), 1), most)]
            self._chunks[most] = [Chunk(self.inputs[cut[0] : cut[-1]], cut - cut[0], self.width) for cut in cuts]
        return self._chunks[most]

    def keys(self) -> NDArray[np.int64]:
        """A number per row, the same for equal rows; shape (rows,), int64.

        Sums of random codes of the ones (Zobrist hashing): n different rows share one with a chance of n^2 / 2^65.
        """
        sums = np.zeros(len(self.inputs) + 1, dtype=np.int64)
        np.cumsum(_codes(self.width)[self.inputs], out=sums[1:])  # wraps around, which does no harm
        return sums[self.bounds[1:]] - sums[self.bounds[:-1]]


def _bounds(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The offsets of consecutive parts of these lengths, and the end of the last one."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])


@lru_cache(maxsize=8)
def _codes(width: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(2**63, size=width)


class Repeated(NamedTuple):
    """A batch of binary rows, of which some may be equal.

    Attributes:
        table: the distinct rows.
        row: shape (samples,), int64: the index of each sample's distinct row.
    """

    table: MultiHot
    row: NDArray[np.int64]

    @classmethod
    def of(cls, binary: Tensor) -> "Repeated":
        """A matrix (samples, width), int8 in {0, 1}, on the CPU."""
        hot = MultiHot.of(binary)
        _, first, row = np.unique(hot.keys(), return_index=True, return_inverse=True)
        return cls(hot[first], row)

    def some(self, samples: NDArray[np.intp]) -> "Repeated":
        """The samples at these indices, with the whole table."""
        return Repeated(self.table, self.row[samples])


class Distinct(NamedTuple):
    """The distinct samples of a batch.

    Attributes:
        first: shape (rows,), int64: the index of the first sample with each.
        row: shape (samples,), int64: the index of each sample's distinct row.
        repeats: shape (rows,), int64: the number of samples that each stands for.
    """

    first: Tensor
    row: Tensor
    repeats: Tensor

    @classmethod
    def of(cls, rows: NDArray[np.int64], labels: Tensor | None = None) -> "Distinct":
        """The distinct samples, by each sample's row (samples,) and, if given, its label (samples,), int64, from -1
        on."""
        if labels is not None:
            rows = (labels.numpy() + 1) * (rows.max(initial=0) + 1) + rows
        _, *parts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
        return cls(*map(torch.from_numpy, parts))

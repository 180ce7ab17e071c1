"""Matrix products by oneDNN. For float32 torch uses MKL, which reaches only half the rate on AMD's processors."""

from typing import Any

import torch
from torch import Tensor

_ONEDNN: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch._C._has_mkldnn else None
"""The operator that torch's compiler emits for linear layers. It is not public; without it torch's product is used."""


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b.T + bias``, to be differentiated by the caller.

    Args:
        a: shape (n, m), float32, on the CPU.
        b: shape (k, m); either may be a transposed view.
        bias: shape (k,).

    Returns:
        shape (n, k). Equal to torch's product up to the order of its sums.
    """
    if _ONEDNN is None:
        return torch.nn.functional.linear(a, b, bias)
    found: Tensor = _ONEDNN(a, b, bias, "none", [], "")
    return found

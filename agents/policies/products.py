"""Matrix products by oneDNN: torch takes MKL for float32, which leaves AMD's processors at half their rate."""

from typing import Any

import torch
from torch import Tensor

_ONEDNN: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
"""The operator that torch's compiler emits for linear layers. It is not public: without it torch's product serves."""


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

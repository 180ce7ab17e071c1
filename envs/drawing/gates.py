"""The colour of a gate: that of the leading expert, more saturated the more it leads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.drawing.palette import rgb

GATE_STRENGTH = 0.62
"""The largest share of the gate's colour in a square; the rest is white."""


def gate_colours(
    weights: NDArray[np.floating[Any]], colours: Sequence[str], strength: float = GATE_STRENGTH
) -> NDArray[np.int64]:
    """The colours of gates: white where all experts have equal weights, the leading expert's colour where it has all
    the weight.

    Args:
        weights: shape (..., experts), at least two; weights beyond [0, 1] count as 0 or 1.
        colours: ``#rrggbb`` of each expert.
        strength: the largest share of the colour, from 0 to 1.

    Returns:
        shape (..., 3), from 0 to 255.
    """
    even = 1 / weights.shape[-1]
    lead = np.clip((weights.max(axis=-1, keepdims=True) - even) / (1 - even), 0, 1)
    leading = np.array([rgb(colour) for colour in colours])[weights.argmax(axis=-1)]
    mixed: NDArray[np.int64] = np.round((1 - strength * lead) * 255 + strength * lead * leading).astype(np.int64)
    return mixed

"""What colour a gate has: the leading expert's, the stronger the more it leads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.drawing.palette import rgb

GATE_STRENGTH = 0.62
"""How much of the gate's colour shows in a square at most; the rest is white."""


def gate_colours(
    weights: NDArray[np.floating[Any]], colours: Sequence[str], strength: float = GATE_STRENGTH
) -> NDArray[np.int64]:
    """Colours of gates: white where all experts have the same weight, the leading expert's where it has all of it.

    Args:
        weights: shape (..., experts), at least two; weights beyond [0, 1] count as 0 or 1.
        colours: ``#rrggbb`` of each expert.
        strength: how much of the colour shows at most, from 0 to 1.

    Returns:
        shape (..., 3), from 0 to 255.
    """
    even = 1 / weights.shape[-1]
    lead = np.clip((weights.max(axis=-1, keepdims=True) - even) / (1 - even), 0, 1)
    leading = np.array([rgb(colour) for colour in colours])[weights.argmax(axis=-1)]
    mixed: NDArray[np.int64] = np.round((1 - strength * lead) * 255 + strength * lead * leading).astype(np.int64)
    return mixed

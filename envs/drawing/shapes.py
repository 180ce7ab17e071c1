"""Outlines of everything that is drawn, in units of a square around its centre, x to the right and y down.

The environment's pictures, the viewer and the policy maps all draw these.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]
"""Corners of a polygon, shape (corners, 2)."""


def _ghost() -> Outline:
    angle = np.linspace(np.pi, 2 * np.pi, 33)
    hood = np.stack([0.27 * np.cos(angle), 0.27 * np.sin(angle) - 0.05], axis=1)
    x = np.linspace(0.27, -0.27, 49)
    hem = np.stack([x, 0.28 + 0.035 * np.cos(x / 0.27 * 4 * np.pi)], axis=1)
    return np.concatenate([hood, hem])


def _eye() -> Outline:
    x = np.linspace(-1, 1, 25)
    lid = 1 - x**2
    return np.concatenate([np.stack([x, -0.62 * lid], axis=1), np.stack([x[::-1], 0.62 * lid], axis=1)])


GHOST = _ghost()
GHOST_EYES = np.array([[-0.1, -0.06], [0.1, -0.06]])
"""Centres."""
GEM = np.array([[-0.17, -0.26], [0.17, -0.26], [0.31, -0.08], [0.0, 0.3], [-0.31, -0.08]])
GEM_FACETS = np.array(
    [
        [[-0.31, -0.08], [0.31, -0.08]],
        [[-0.12, -0.08], [0.0, 0.3]],
        [[0.12, -0.08], [0.0, 0.3]],
        [[-0.17, -0.26], [-0.12, -0.08]],
        [[0.17, -0.26], [0.12, -0.08]],
        [[0.0, -0.26], [-0.12, -0.08]],
        [[0.0, -0.26], [0.12, -0.08]],
    ]
)
"""Lines, shape (lines, ends, 2)."""
EYE = _eye() * 0.13
"""The sign of oversight."""
EYE_AT = np.array([0.32, -0.36])
"""Where in its square."""
ARROW = np.array([[0.0, -0.03], [0.27, -0.03], [0.27, -0.1], [0.46, 0.0], [0.27, 0.1], [0.27, 0.03], [0.0, 0.03]])
"""Of a certain action, to the right; as a whole in proportion to an action's probability."""


def arrows(
    probabilities: NDArray[np.floating[Any]], moves: tuple[tuple[int, int], ...], least: float = 0.02
) -> list[Outline]:
    """One arrow per action that is likely enough, from the centre of the square.

    Args:
        probabilities: shape (actions,).
        moves: (down, right) of each action.
        least: probability below which there is none.
    """
    turned = []
    for probability, (down, right) in zip(probabilities, moves, strict=True):
        if probability >= least:
            turned.append(probability * ARROW @ np.array([[right, down], [-down, right]], dtype=np.float64))
    return turned

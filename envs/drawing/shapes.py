"""The outlines of everything that is drawn, in units of one square and relative to its centre, x to the right and y
down.

The environment's pictures, the viewer and the policy maps all draw these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]
"""The corners of a polygon, shape (corners, 2)."""


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
"""The centres of the ghost's eyes."""
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
"""The position of the eye in its square."""
LID = np.stack([x := np.linspace(-1, 1, 13), 0.5 * (1 - x**2)], axis=1) * 0.13 + EYE_AT
"""The sign of a supervisor that sees nothing: a line."""
LASHES = np.array([[[-0.07, 0.05], [-0.1, 0.1]], [[0.0, 0.065], [0.0, 0.125]], [[0.07, 0.05], [0.1, 0.1]]]) + EYE_AT
"""Lines, shape (lines, ends, 2)."""
ARROW = np.array([[0.0, -0.03], [0.27, -0.03], [0.27, -0.1], [0.46, 0.0], [0.27, 0.1], [0.27, 0.03], [0.0, 0.03]])
"""The arrow of an action with probability 1, to the right; its size is proportional to the probability."""


_STILL = np.array([-0.36, 0.36]), np.array([0.2, 0.0])
"""The position of the first action that does not move, and the distance from each to the next."""


def polygon(sides: int, radius: float = 0.28) -> Outline:
    """A regular polygon that stands on one of its sides, with the area of a circle of that radius."""
    corner = radius * np.sqrt(2 * np.pi / (sides * np.sin(2 * np.pi / sides)))
    angle = np.pi / 2 + np.pi * (2 * np.arange(sides) + 1) / sides
    outline: Outline = corner * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return outline


def arrows(
    probabilities: NDArray[np.floating[Any]], directions: Sequence[tuple[int, int]], least: float = 0.02
) -> list[Outline]:
    """One shape for each action that is likely enough. It is an arrow from the centre of the square whose length shows
    the probability or, for an action that does not move, a disc in the corner whose area shows it.

    Args:
        probabilities: shape (actions,).
        directions: (down, right) of each action, (0, 0) where it does not move.
        least: the probability below which an action has no shape.
    """
    drawn, still = [], 0
    for probability, (down, right) in zip(probabilities, directions, strict=True):
        far = max(abs(down), abs(right))
        at = _STILL[0] + still * _STILL[1]
        still += far == 0
        if probability >= least:
            turned = np.array([[right, down], [-down, right]], dtype=np.float64) / max(far, 1)
            drawn.append(probability * ARROW @ turned if far else at + polygon(24, 0.1 * np.sqrt(probability)))
    return drawn

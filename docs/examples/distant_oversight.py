"""Oversight that fades with distance: the supervisor stands where the agent starts, and sees best what is near.

    oversight-gym train --plugin docs/examples/distant_oversight.py \
        --oversight-process fading:half=1 --run-dir runs/fading
    oversight-gym evaluate --plugin docs/examples/distant_oversight.py runs/fading

The simulator draws from these chances and the exact evaluation sums over them, start by start.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs import PROCESSES, EnvConfig, IndependentTerminals


@dataclass(frozen=True)
class Fading(IndependentTerminals):
    """Each terminal with ``oversight_probability`` one step from the start, halved with every ``half`` steps more.

    Attributes:
        half: steps on a shortest path.
    """

    half: float = 2.0

    def chances(self, config: EnvConfig, agent: NDArray[np.int16], terminals: NDArray[np.int16]) -> NDArray[np.float64]:
        beyond = config.grid.distance[agent[:, None], terminals] - 1
        return np.asarray(config.oversight_probability * 0.5 ** (beyond / self.half))


PROCESSES.register("fading", Fading)

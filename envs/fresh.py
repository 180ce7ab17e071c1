"""Fresh episodes, drawn in blocks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.oversight.processes import Spent
from oversight_gym.envs.views.screens import beginning
from oversight_gym.envs.world.state import State, draw_state


def block_size(num_envs: int) -> int:
    """The number of episodes drawn at a time for this number of environments."""
    return max(num_envs, min(64 * num_envs, 8192))


class FreshEpisodes:
    """Fresh episodes, drawn in blocks because drawing many costs little more than drawing one.

    Args:
        config: the environment's config.
        rng: the generator of every draw.
        num_envs: the number of environments that share them, which determines the size of a block.
        spent: the progress of training. A scheduled process depends on it, so no block is drawn ahead. None outside
            training.
    """

    def __init__(self, config: EnvConfig, rng: np.random.Generator, num_envs: int, spent: Spent | None) -> None:
        self.config, self.rng, self.spent = config, rng, spent
        self.block = block_size(num_envs)
        self._left = 0
        self._drawn_at = rng.bit_generator.state

    def take(self, n: int) -> tuple[State, NDArray[Any]]:
        """The next ``n`` episodes and what their screens are made from (n, entries; see ``beginning``), as views.

        If fewer than ``n`` episodes are left in a block, the rest are discarded and a new block is drawn.
        """
        if self.config.process.scheduled and self.spent is not None:
            self.block = n
        if n > self._left:
            self._draw()
        chosen = slice(self.block - self._left, self.block - self._left + n)
        self._left -= n
        return self._state[chosen], self._begun[chosen]

    def _draw(self) -> None:
        self._drawn_at = self.rng.bit_generator.state
        self._state = draw_state(self.config, self.rng, self.block, self.spent)
        self._begun = beginning(self.config.view_part, self.config.world, self._state)
        self._left = self.block

    def position(self) -> dict[str, Any]:
        """The position of the generator, as plain JSON."""
        drawn_at = self._drawn_at if self._left else self.rng.bit_generator.state
        return {"generator": drawn_at, "left": self._left}

    def go_to(self, position: dict[str, Any]) -> None:
        """Continue from :meth:`position`: the current block is drawn again."""
        self.rng.bit_generator.state = position["generator"]
        self._left = position["left"]
        if self._left:
            self._draw()
            self._left = position["left"]

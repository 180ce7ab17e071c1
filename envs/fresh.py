"""Episodes about to begin."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.oversight.processes import Spent
from oversight_gym.envs.world.state import State, draw_state


def block_size(num_envs: int) -> int:
    """Episodes that are drawn at a time, where so many environments share them."""
    return max(num_envs, min(64 * num_envs, 8192))


class FreshEpisodes:
    """Episodes about to begin, drawn in blocks, because a draw of many costs little more than a draw of one.

    Args:
        config: of the environment.
        rng: the source of every draw.
        num_envs: environments that share them; decides the size of a block.
        spent: how far training has come; a scheduled process looks at it, and so no block is drawn ahead of it. None
            outside of training.
    """

    def __init__(self, config: EnvConfig, rng: np.random.Generator, num_envs: int, spent: Spent | None) -> None:
        self.config, self.rng, self.spent = config, rng, spent
        self.block = block_size(num_envs)
        self._left = 0
        self._drawn_at = rng.bit_generator.state

    def take(self, n: int) -> tuple[State, NDArray[Any]]:
        """The next ``n`` episodes and their first observations (n, entries), flattened, as views.

        A block with fewer than ``n`` left is given up for a new one.
        """
        if self.config.process.scheduled and self.spent is not None:
            self.block = n
        if n > self._left:
            self._draw()
        chosen = slice(self.block - self._left, self.block - self._left + n)
        self._left -= n
        return self._state[chosen], self._seen[chosen]

    def _draw(self) -> None:
        self._drawn_at = self.rng.bit_generator.state
        self._state = draw_state(self.config, self.rng, self.block, self.spent)
        self._seen = self.config.view_part.observe(self.config.world, self._state).reshape(self.block, -1)
        self._left = self.block

    def position(self) -> dict[str, Any]:
        """Where the draws stand, as plain JSON."""
        drawn_at = self._drawn_at if self._left else self.rng.bit_generator.state
        return {"generator": drawn_at, "left": self._left}

    def go_to(self, position: dict[str, Any]) -> None:
        """Go on from :meth:`position`: the block at hand is drawn again."""
        self.rng.bit_generator.state = position["generator"]
        self._left = position["left"]
        if self._left:
            self._draw()
            self._left = position["left"]

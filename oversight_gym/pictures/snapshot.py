"""The policy map in the style of the environment: coarser than the figure, but drawn in a few milliseconds and without
matplotlib."""

from collections.abc import Sequence

import numpy as np
import pygame
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, gate_text
from oversight_gym.envs import EnvConfig
from oversight_gym.envs.drawing.board import Board, Painter, pixels
from oversight_gym.envs.drawing.directions import directions
from oversight_gym.envs.drawing.marks import terminal_marks
from oversight_gym.envs.drawing.palette import INK, WHITE, rgb
from oversight_gym.evaluation.policy_map import default_terminals, policy_maps
from oversight_gym.evaluation.situations import Block

TITLE, GAP = 22, 8
"""The height of a title and the distance between panels, in pixels."""


class SnapshotPainter:
    """Paints a policy's actions on every square of the default layout when nobody looks, for TensorBoard.

    Args:
        config: the environment's config.
        tile: the number of pixels per square.
    """

    def __init__(self, config: EnvConfig, tile: int = 44) -> None:
        self.block = Block(config, default_terminals(config))
        self._painter = Painter(config.grid, tile)

    def paint(self, policy: GatedMixturePolicy, gates: Sequence[Gate]) -> NDArray[np.uint8]:
        """One panel per gate, shape (height, width, 3), uint8."""
        pygame.font.init()
        font = pygame.font.Font(None, TITLE)
        config, (width, height) = self.block.config, self._painter.size
        picture = pygame.Surface((len(gates) * (width + GAP) - GAP, TITLE + height))
        picture.fill(rgb(WHITE))
        single = len(policy.experts) == 1
        for panel, (gate, found) in enumerate(zip(gates, policy_maps(policy, self.block, gates), strict=True)):
            board = Board(
                config.grid,
                agent=None,
                terminals=tuple(self.block.terminals[0].tolist()),
                marks=terminal_marks(config),
                shown=frozenset(),
                experts=policy.experts,
                gate=None if single else found.gate,
                actions=found.actions,
                directions=directions(config.world),
            )
            name = policy.experts[0] if single else f"gate {gate_text(gate)}"
            picture.blit(font.render(name, True, rgb(INK)), (panel * (width + GAP) + 2, 4))
            picture.blit(self._painter.paint(board), (panel * (width + GAP), TITLE))
        return pixels(picture)

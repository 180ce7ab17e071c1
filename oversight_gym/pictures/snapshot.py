"""The policy map drawn as the environment is: coarser than the figure, in a few milliseconds and without matplotlib."""

from collections.abc import Sequence

import numpy as np
import pygame
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import Gate, GatedMixturePolicy
from oversight_gym.envs import EnvConfig
from oversight_gym.envs.drawing.board import COLOURS, Board, Painter, pixels
from oversight_gym.evaluation.policy_map import default_terminals, looks
from oversight_gym.evaluation.situations import Block

TITLE, GAP = 22, 8
"""Pixels: height of a title, distance between panels."""


class SnapshotPainter:
    """Paints what a policy would do on every square of the default layout while nobody looks, for TensorBoard.

    Args:
        config: of the environment.
        tile: pixels per square.
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
        picture.fill(COLOURS["white"])
        single = len(policy.experts) == 1
        for panel, (gate, look) in enumerate(zip(gates, looks(policy, self.block, gates), strict=True)):
            terminals = tuple(self.block.terminals[0].tolist())
            shown = None if single else look.gate
            board = Board(config.grid, None, config.kinds, terminals, frozenset(), gate=shown, actions=look.actions)
            name = policy.experts[0] if single else f"gate {gate}"
            picture.blit(font.render(name, True, COLOURS["agent"]), (panel * (width + GAP) + 2, 4))
            picture.blit(self._painter.paint(board), (panel * (width + GAP), TITLE))
        return pixels(picture)

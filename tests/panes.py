"""Kinds, actions and untrained policies that the tests of drawing and watching share."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import DYNAMICS, KINDS, EnvConfig, Kind, Moves, Transitions, register_kind
from oversight_gym.viewer.pane import Pane

THREE = ("coin", "diamond", "ghost")
"""Experts."""

if "ghoul" not in KINDS:
    register_kind(Kind("ghoul", -0.5, "#D55E00"))  # the ghost's letter and colour
    register_kind(Kind("gnome", 0.5, "#D55E00"))


class Dancer(Moves):
    """Stay, diagonally, and two squares at once."""

    actions = ("stay", "down-right", "leap left")

    def transitions(self, grid) -> Transitions:  # type: ignore[no-untyped-def]
        row, col = np.divmod(np.arange(grid.squares), grid.cols)
        ways = [(row, col), (row + 1, col + 1), (row, col - 2)]
        table = [
            np.where((r < grid.rows) & (c < grid.cols) & (c >= 0), r * grid.cols + c, np.arange(grid.squares))
            for r, c in ways
        ]
        next_state = np.stack(table, axis=1)[:, :, None]
        return Transitions(next_state, np.ones(next_state.shape))


if "test_dancer" not in DYNAMICS:
    DYNAMICS.register("test_dancer", Dancer)


def pane_of(gate: Any = None, experts: tuple[str, ...] = ("diamond", "ghost"), **settings: Any) -> Pane:
    """An untrained policy in a world."""
    config = EnvConfig(**settings)
    torch.manual_seed(0)
    actions = gym.spaces.Discrete(len(config.world.actions))
    arch = {"pi": [16], "vf": [16], "gate": [16]}
    policy = GatedMixturePolicy(config.observation_space, actions, lambda _: 1e-3, experts=experts, net_arch=arch)
    return Pane("test", config, policy, gate)

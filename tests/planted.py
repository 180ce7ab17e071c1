"""A policy built by hand to hold tasks in known units, among others that hold nothing in particular."""

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.utils import ConstantSchedule
from torch import nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig
from oversight_gym.envs.sb3 import OversightVecEnv
from oversight_gym.envs.world.kinds import most_valuable_first

WIDTH = 24
"""Units of each of the two layers."""
SURE = 4.0
"""Logit of an action per step that it leads ahead."""
PER_KIND = 4
"""Units of each layer that hold the way to one kind: how far up, right, down and left it is."""


def planted_policy(config: EnvConfig, seed: int) -> tuple[GatedMixturePolicy, dict[str, NDArray[np.bool_]]]:
    """A policy of one network on planes, which goes to the most valuable kind, and by task the units that hold it.

    A planted unit of the first layer is how far a terminal lies ahead in one direction; one of the second layer hands
    it on. The others have random weights and read no planted one. Which are planted is drawn.
    """
    rng = np.random.default_rng(seed)
    env = OversightVecEnv(1, **config.to_json())
    arch = {"pi": [WIDTH, WIDTH], "vf": [4], "gate": []}
    policy = GatedMixturePolicy(env.observation_space, env.action_space, ConstantSchedule(0.0), net_arch=arch)
    first, second = (layer for layer in policy.mixture.experts["agent"].children() if isinstance(layer, nn.Linear))
    planes, squares = config.view_part.planes(config.world), config.grid.squares
    row, col = np.divmod(np.arange(squares), config.grid.cols)
    places = [rng.permutation(WIDTH) for _ in range(2)]
    members, used = {}, 0
    with torch.no_grad():
        for layer in (first, second):
            layer.weight.copy_(torch.from_numpy(rng.normal(0, layer.in_features**-0.5, layer.weight.shape)))
            layer.bias.copy_(torch.from_numpy(rng.normal(0, 0.1, layer.bias.shape)))
        head = policy.action_net
        assert isinstance(head, nn.Linear)
        head.weight.zero_()
        head.bias.zero_()
        for kind in config.kinds:
            own = slice(used, used := used + PER_KIND)
            known = np.zeros(2 * WIDTH, dtype=bool)
            pairs = zip(*(place[own] for place in places), strict=True)
            for action, (towards, (one, two)) in enumerate(zip((-row, col, row, -col), pairs, strict=True)):
                weight = np.zeros((len(planes), squares))
                weight[planes.index(kind)], weight[planes.index("agent")] = towards, -towards
                first.weight[one] = torch.from_numpy(weight.ravel())
                second.weight[:, one] = 0.0
                second.weight[two] = 0.0
                second.weight[two, one] = 1.0
                first.bias[one] = second.bias[two] = 0.0
                known[[one, WIDTH + two]] = True
                if kind == most_valuable_first(config.kinds)[0]:
                    head.weight[action, two] = SURE
            members[f"reach-{kind}"] = known
    return policy, members

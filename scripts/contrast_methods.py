"""A plug-in with the agents that scripts/contrasts.py combines, which are not oversight methods by themselves.

    oversight-gym train --plugin scripts/contrast_methods.py --method filtering_ghosts

All of them use only observed outcomes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents import METHODS, register
from oversight_gym.agents.methods.variants import FineTuned
from oversight_gym.envs.oversight.rewards import REWARDS, Reward


class Reversed(Reward):
    """Pays the opposite."""

    def table(self, values: Sequence[float]) -> NDArray[np.float32]:
        return -super().table(values)


FILTERING = METHODS["filtering"]
REWARDS.register("observed_reversed", Reversed(unknown=0))
GHOSTS = register(
    replace(
        FILTERING,
        name="filtering_ghosts",
        summary="filtering with the reward reversed: one expert that wants observed ghosts",
        description="As filtering, loss for loss, but -1 diamond, +1 ghost. The unwanted side of a contrast.",
        reward="observed_reversed",
    )
)
for _name, _then in (("tuned_to_diamonds", FILTERING), ("tuned_to_ghosts", GHOSTS)):
    register(
        FineTuned(
            _name,
            f"one expert; +1 for any terminal, and in the last share of training as {_then.name}",
            f"PPO with a single expert on +1 for any terminal square, every step of it, without labels, until the last "
            f"finetune_share of training; then the loss of {_then.name}. At equal seeds the two methods of this kind "
            "train the same base, bit for bit.",
            experts=FILTERING.experts,
            gate="free",
            then=_then,
        )
    )

"""The ways to collect rollouts."""

from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.vec_env import VecEnv

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.collect import collect
from oversight_gym.agents.ppo.collect_device import collect_on_device
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.sb3 import OversightVecEnv

COLLECTORS: dict[str, Callable[..., bool] | None] = {
    "auto": None,
    "sb3": None,
    "native": collect,
    "device": collect_on_device,
}
"""The collectors by name; None is SB3's own loop."""


def choose_collector(asked: str, env: VecEnv, policy: Any, device: torch.device) -> Callable[..., bool] | None:
    """The function that collects rollouts; None for SB3's own loop.

    Raises:
        RequestError: if the requested collector needs another environment or policy.
    """
    native = isinstance(env, OversightVecEnv) and isinstance(policy, GatedMixturePolicy)
    if asked == "auto":
        asked = ("native" if device.type == "cpu" else "device") if native else "sb3"
    if COLLECTORS[asked] is not None and not native:
        raise RequestError(f"collector is {asked!r}; give it an OversightVecEnv and a GatedMixturePolicy, or 'auto'.")
    return COLLECTORS[asked]

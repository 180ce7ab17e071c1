"""Gridworlds under partial oversight: dynamics, rewards, and the Gymnasium and stable-baselines3 adapters."""

from typing import TYPE_CHECKING, Any

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.oversight.outcomes import REWARDS, TERMINAL_KINDS, Outcome
from oversight_gym.envs.registration import ENV_ID, register_envs
from oversight_gym.envs.single import OversightGridEnv
from oversight_gym.envs.vector import OversightGridVectorEnv

if TYPE_CHECKING:
    from oversight_gym.envs.sb3 import OversightVecEnv

__all__ = [
    "ENV_ID",
    "REWARDS",
    "TERMINAL_KINDS",
    "EnvConfig",
    "Outcome",
    "OversightGridEnv",
    "OversightGridVectorEnv",
    "OversightVecEnv",
    "RequestError",
    "register_envs",
]


def __getattr__(name: str) -> Any:
    if name == "OversightVecEnv":  # loads stable-baselines3, and with it torch: only when asked for
        from oversight_gym.envs.sb3 import OversightVecEnv

        return OversightVecEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Gridworlds under partial oversight: dynamics, rewards, and the Gymnasium and stable-baselines3 adapters."""

from typing import TYPE_CHECKING

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.drawing.camera import Camera
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.lazy import lazily
from oversight_gym.envs.oversight import (
    FLAGS,
    PROCESSES,
    REWARDS,
    SUPERVISORS,
    Flag,
    IndependentTerminals,
    Outcome,
    OversightProcess,
    Reward,
    Supervisor,
)
from oversight_gym.envs.registration import ENV_ID, register_envs
from oversight_gym.envs.registry import Registry, load_plugin
from oversight_gym.envs.single import OversightGridEnv
from oversight_gym.envs.vector import OversightGridVectorEnv
from oversight_gym.envs.views import VIEWS, View
from oversight_gym.envs.world import DYNAMICS, KINDS, MONITORS, Kind, Monitor, Moves, Transitions, register_kind

if TYPE_CHECKING:
    from oversight_gym.envs.sb3 import OversightVecEnv

__all__ = [
    "DYNAMICS",
    "ENV_ID",
    "FLAGS",
    "KINDS",
    "MONITORS",
    "PROCESSES",
    "REWARDS",
    "SUPERVISORS",
    "VIEWS",
    "Camera",
    "EnvConfig",
    "Flag",
    "IndependentTerminals",
    "Kind",
    "Monitor",
    "Moves",
    "Outcome",
    "OversightGridEnv",
    "OversightGridVectorEnv",
    "OversightProcess",
    "OversightVecEnv",
    "Registry",
    "RequestError",
    "Reward",
    "Supervisor",
    "Transitions",
    "View",
    "load_plugin",
    "register_envs",
    "register_kind",
]


__getattr__ = lazily(__name__, {"OversightVecEnv": "sb3"})  # loads stable-baselines3, and with it torch

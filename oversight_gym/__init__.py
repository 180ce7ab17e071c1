"""A testbed for scalable oversight in reinforcement learning."""

from typing import TYPE_CHECKING

from oversight_gym.envs import register_envs
from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.api import compare, evaluate, load, steer, train

__version__ = "0.1.0"
__all__ = ["compare", "evaluate", "load", "steer", "train"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "api"))  # torch is loaded only when a name asks for it

register_envs()

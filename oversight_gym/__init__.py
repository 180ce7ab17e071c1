"""A testbed for scalable oversight in reinforcement learning."""

from oversight_gym.envs import register_envs

__version__ = "0.1.0"

register_envs()

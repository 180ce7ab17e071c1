"""Registers ``OversightGrid-v0`` and every named world with Gymnasium."""

from typing import Any

from gymnasium.envs.registration import register, registry

from oversight_gym.envs.worlds import WORLDS, world_id

ENV_ID = "OversightGrid-v0"


def _register(name: str, settings: dict[str, Any]) -> None:
    if name not in registry:
        register(
            name,
            entry_point="oversight_gym.envs.single:make_under_time_limit",
            vector_entry_point="oversight_gym.envs.vector:OversightGridVectorEnv",
            max_episode_steps=settings.get("max_episode_steps", 32),
            kwargs=settings,
        )


def register_envs() -> None:
    """Register the environments; called by ``import oversight_gym``; calling it again does nothing."""
    _register(ENV_ID, {})
    for name, world in WORLDS.items():
        _register(world_id(name), world.settings)

"""Registers ``OversightGrid-v0`` with Gymnasium."""

from gymnasium.envs.registration import register, registry

ENV_ID = "OversightGrid-v0"


def register_envs() -> None:
    """Register the environment; called by ``import oversight_gym``; calling it again does nothing."""
    if ENV_ID not in registry:
        register(
            ENV_ID,
            entry_point="oversight_gym.envs.single:make_under_time_limit",
            vector_entry_point="oversight_gym.envs.vector:OversightGridVectorEnv",
            max_episode_steps=32,
        )

"""Environment steps per second, including observations, beside other projects' environments."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401 - registers its environments
import numpy as np
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3.common.vec_env import DummyVecEnv
from timing import copy_rate, rate, seconds, table

from oversight_gym.envs import ENV_ID, OversightVecEnv

BATCHES = ((512, 400), (4096, 100))
ROOM = "MiniGrid-Empty-5x5-v0"


def batched(env: Any, num_envs: int, steps: int, actions: int = 4) -> float:
    """Steps per second of a vector environment under random actions drawn beforehand."""
    drawn = np.random.default_rng(0).integers(actions, size=(steps, num_envs))
    env.reset()

    def work() -> None:
        for action in drawn:
            env.step(action)

    return num_envs * steps / seconds(work)


def single(env: gym.Env, steps: int, actions: int = 4) -> float:
    """Steps per second of one environment, including resets."""
    drawn = np.random.default_rng(0).integers(actions, size=steps).tolist()

    def work() -> None:
        env.reset(seed=0)
        for action in drawn:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return steps / seconds(work)


def main() -> None:
    def room() -> gym.Env:
        return ImgObsWrapper(gym.make(ROOM))

    few = 16  # of the slow ones; their steps per second hardly depend on it
    yardsticks: dict[str, float] = {
        "minigrid, SyncVectorEnv": batched(gym.vector.SyncVectorEnv([room] * few), few, 200),
        "minigrid, DummyVecEnv": batched(DummyVecEnv([room] * few), few, 200),
    }
    ours: dict[str, Callable[[int], Any]] = {
        "SB3 VecEnv": lambda num_envs: OversightVecEnv(num_envs, seed=0),
        "Gymnasium vector": lambda num_envs: gym.make_vec(ENV_ID, num_envs=num_envs),
    }
    rows = []
    for num_envs, steps in BATCHES:
        cartpole = batched(gym.make_vec("CartPole-v1", num_envs=num_envs), num_envs, steps, actions=2)
        for name, make in ours.items():
            found = batched(make(num_envs), num_envs, steps)
            ratios = [f"{found / other:.0f}x" for other in yardsticks.values()]
            bound = copy_rate() / (2 * 100)  # an observation of 100 bytes is at least copied once
            rows.append([name, num_envs, rate(found), *ratios, f"{found / cartpole:.1f}x", f"{found / bound:.0%}"])
    header = ["environment", "batch", "steps/s", *yardsticks, "vectorised CartPole", "of copy bandwidth"]
    table("Environment, random actions", header, rows)
    print("; ".join(f"{name} {rate(found)} steps/s" for name, found in yardsticks.items()) + "\n")
    one = single(gym.make(ENV_ID), 20_000)
    cartpole, walk = single(gym.make("CartPole-v1"), 20_000, actions=2), single(room(), 2_000)
    print(
        f"gym.make({ENV_ID!r}): {rate(one)} steps/s, {one / cartpole:.1f}x CartPole-v1 ({rate(cartpole)}), "
        f"{one / walk:.0f}x minigrid ({rate(walk)})\n"
    )


if __name__ == "__main__":
    main()

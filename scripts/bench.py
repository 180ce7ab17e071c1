"""Times what people wait for, each beside a yardstick timed in the same run. Run it with ``make bench``."""

import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from oversight_gym.build import make_policy
from oversight_gym.config import TrainConfig
from oversight_gym.envs import GridConfig, OversightVecEnv
from oversight_gym.evaluation import ceilings, evaluate
from oversight_gym.runs import versions

REPEATS = 5


def seconds(work: Callable[[], object]) -> float:
    """Median seconds of some repeats, after one that is not counted."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def matrix_product() -> None:
    """The yardstick: as many multiply-adds as a width-256 mixture needs for every state of the 5 x 5 grid."""
    states, inputs, width = 60_000, 100, 256
    x = torch.ones(states, inputs)
    for _ in range(3):  # two experts and the gate
        torch.relu(x @ torch.ones(inputs, width)) @ torch.ones(width, width)


def environment_steps(num_envs: int, steps: int) -> None:
    env = OversightVecEnv(num_envs, seed=0)
    env.reset()
    for actions in np.random.default_rng(0).integers(4, size=(steps, num_envs)):
        env.step(actions)


def main() -> None:
    torch.set_num_threads(1)
    config = GridConfig()
    yardstick = seconds(matrix_product)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch on 1 thread")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    print(f"yardstick: 60,000 states through 3 networks of width 256: {yardstick:.3f} s\n")
    gates = ("free", "diamond", "ghost")
    for width in (128, 256):
        policy = make_policy(TrainConfig.of(hidden=(width, width), gate_hidden=(width,)))
        took = seconds(lambda policy=policy: evaluate(policy, config, gates))
        print(f"exact evaluation, 3 gates x 4 patterns, width {width}: {took:.3f} s, {took / yardstick:.1f} yardsticks")
    took = seconds(lambda: ceilings(config))
    print(f"the four reference policies: {took:.3f} s, {took / yardstick:.1f} yardsticks")
    for num_envs, steps in ((512, 400), (4096, 50)):
        took = seconds(lambda num_envs=num_envs, steps=steps: environment_steps(num_envs, steps))
        rate = num_envs * steps / took
        print(f"SB3 VecEnv, {num_envs} environments, random actions: {rate / 1e6:.2f} M steps/s")


if __name__ == "__main__":
    main()

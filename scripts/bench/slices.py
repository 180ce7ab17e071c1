"""A worker of ``against.py``: builds one thing to time, then times a slice of it for every line it is sent.

It runs under either interpreter, so it imports nothing of this folder and takes the package by its old names or its new.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

try:
    from oversight_gym.runs.build import make_model
    from oversight_gym.runs.config import TrainConfig
except ImportError:  # before the folders
    from oversight_gym.build import make_model  # type: ignore[no-redef]
    from oversight_gym.config import TrainConfig  # type: ignore[no-redef]
from oversight_gym.envs import OversightVecEnv


def training(preset: str, rollouts: int) -> Callable[[], object]:
    """Whole updates, rollouts included."""
    model = make_model(TrainConfig.of(preset=preset))
    steps = rollouts * model.n_steps * model.n_envs
    return lambda: model.learn(steps, reset_num_timesteps=False)


def stepping(num_envs: int, steps: int) -> Callable[[], object]:
    """The environment under random actions, drawn beforehand."""
    env = OversightVecEnv(num_envs, seed=0)
    env.reset()
    drawn = np.random.default_rng(0).integers(4, size=(steps, num_envs))

    def work() -> None:
        for actions in drawn:
            env.step(actions)

    return work


SLICES: dict[str, Callable[[], Callable[[], object]]] = {
    "fast": lambda: training("fast", 3),
    "weak-gate": lambda: training("weak-gate", 3),
    "paper-ppo": lambda: training("paper-ppo", 10),
    "paper-reinforce": lambda: training("paper-reinforce", 5),
    "environment, 512": lambda: stepping(512, 2000),
    "environment, 4096": lambda: stepping(4096, 300),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    work = SLICES[sys.argv[1]]()
    work()
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        work()
        print(time.perf_counter() - began, time.process_time() - used, flush=True)

"""A worker of ``against.py``, which builds one thing to time and then times a slice of it for every line of input.

It runs under either interpreter, so it imports nothing from this folder and uses the package by its old or new names.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

try:
    from oversight_gym.runs.build import make_model
    from oversight_gym.runs.config import TrainConfig
    from oversight_gym.runs.train import train
except ImportError:  # before there were folders
    from oversight_gym.build import make_model  # type: ignore[no-redef]
    from oversight_gym.config import TrainConfig  # type: ignore[no-redef]
    from oversight_gym.train import train  # type: ignore[no-redef]
from oversight_gym.envs import OversightVecEnv

Work = Callable[[], object]


def training(preset: str, rollouts: int) -> Work:
    """Whole updates, rollouts included."""
    model = make_model(TrainConfig.of(preset=preset))
    steps = rollouts * model.n_steps * model.n_envs
    model.learn(2 * steps)
    return lambda: model.learn(steps, reset_num_timesteps=False)


def stepping(num_envs: int, steps: int) -> Work:
    """The environment under random actions drawn beforehand."""
    env = OversightVecEnv(num_envs, seed=0)
    env.reset()
    drawn = np.random.default_rng(0).integers(4, size=(steps, num_envs))

    def work() -> None:
        for actions in drawn:
            env.step(actions)

    work()
    return work


def default_run() -> Work:
    """As ``oversight-gym train`` without arguments, imports apart."""

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(TrainConfig.of(run_dir=Path(folder) / "run"))

    return work


SLICES: dict[str, Callable[[], Work]] = {
    **{preset: lambda preset=preset: training(preset, 1) for preset in ("fast", "weak-gate", "paper-reinforce")},
    "paper-ppo": lambda: training("paper-ppo", 10),
    "environment, 512": lambda: stepping(512, 1000),
    "environment, 4096": lambda: stepping(4096, 200),
    "default run": default_run,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    work = SLICES[sys.argv[1]]()
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        work()
        print(time.perf_counter() - began, time.process_time() - used, flush=True)

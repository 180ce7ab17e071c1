"""The cost as environments, grid or experts grow. Each row is measured in its own process, so that its memory is
separate."""

import json
import sys
import time

from timing import answer, child, peak_megabytes, rate, table

STEPS = 32_768
"""The number of steps per rollout, for any number of environments."""
EXPERTS = ("diamond", "ghost", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def one(num_envs: int, size: int, experts: int) -> None:
    """Steps per second of the environment and of training, seconds per rollout to collect and to learn, megabytes."""
    import numpy as np
    import torch

    from oversight_gym.runs.build import make_model
    from oversight_gym.runs.config import TrainConfig

    torch.set_num_threads(1)
    config = TrainConfig.of(num_envs=num_envs, size=(size, size), n_steps=STEPS // num_envs)
    model = make_model(config, experts=EXPERTS[:experts])
    env = model.get_env()
    drawn = np.random.default_rng(0).integers(4, size=(max(4, 400_000 // num_envs), num_envs))
    env.reset()
    began = time.perf_counter()
    for actions in drawn:
        env.step(actions)
    environment = drawn.size / (time.perf_counter() - began)
    learnt = [0.0]
    train = model.train

    def timed() -> None:
        began = time.perf_counter()
        train()
        learnt[0] += time.perf_counter() - began

    model.learn(STEPS)
    model.train = timed  # type: ignore[method-assign]
    began = time.perf_counter()
    model.learn(3 * STEPS, reset_num_timesteps=False)
    seconds = time.perf_counter() - began
    print(environment, 3 * STEPS / seconds, (seconds - learnt[0]) / 3, learnt[0] / 3, peak_megabytes())


def main() -> None:
    grown = {
        "environments": [(num_envs, 5, 2) for num_envs in (64, 256, 1024, 4096, 16384)],
        "grid size": [(512, size, 2) for size in (5, 7, 9, 12, 15)],
        "experts": [(512, 5, experts) for experts in (2, 4, 8)],
    }
    for index, (name, settings) in enumerate(grown.items()):
        rows = []
        for setting in settings:
            environment, training, collecting, learning, peak = answer(child(__file__, json.dumps(setting)))
            times = f"{collecting * 1e6 / STEPS:.1f}", f"{learning * 1e6 / STEPS:.1f}"
            rows.append([setting[index], rate(environment), rate(training), *times, f"{peak:.0f}"])
        header = [name, "environment steps/s", "training steps/s", "µs a step to collect", "µs to learn", "MB"]
        table(f"Growth with the number of {name}" if index != 1 else "Growth with the grid", header, rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(*json.loads(sys.argv[1]))
    else:
        main()

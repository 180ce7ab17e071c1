"""Estimates the memory that a run needs, so that a run that cannot fit is refused before anything is allocated."""

from itertools import pairwise
from math import prod

import numpy as np

from oversight_gym.envs.memory import check_memory
from oversight_gym.runs.config import TrainConfig

PER_STEP = 80
"""The bytes of a step in a rollout beside its observation: action, reward, value, outcome and so on, twice."""


def check_run_fits(config: TrainConfig) -> None:
    """Refuse a run that this machine has too little memory for.

    Raises:
        RequestError: naming the setting that needs the most memory.
    """
    hyper, env = config.hyper, config.env
    seen = env.observation_space
    inputs, entry = prod(seen.shape), np.dtype(seen.dtype).itemsize
    steps = hyper.num_envs * hyper.n_steps
    rollout = steps * (2 * inputs * entry + PER_STEP)
    batch = min(hyper.batch_size, steps)
    experts = len(config.experts)
    networks = [hyper.layers] * experts + [hyper.gate_layers, hyper.value_layers]
    weights = sum(inner * outer for widths in networks for inner, outer in pairwise((inputs, *widths)))
    activations = batch * sum(map(sum, networks))
    learning = 4 * (4 * weights + 2 * activations)  # float32: weights, gradients and Adam's two averages
    if rollout > learning:
        request = f"num_envs is {hyper.num_envs} and n_steps is {hyper.n_steps}"
    else:
        request = f"layers is {hyper.layers}"
    check_memory(request, rollout + learning, "make it smaller")

"""Whole training steps (rollout and update) beside SB3's PPO with a network of as many parameters."""

import math
from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv
from timing import matrix_rate, rate, seconds, table

from oversight_gym.envs import OversightGridEnv
from oversight_gym.runs.build import make_env, make_model, ppo_kwargs
from oversight_gym.runs.config import TrainConfig


def parameters(model: PPO) -> int:
    return sum(parameter.numel() for parameter in model.policy.parameters())


def ppo(config: TrainConfig, env: Any, size: int) -> PPO:
    """SB3's PPO with a preset's settings and an MLP of ``size`` parameters."""
    inputs = math.prod(env.observation_space.shape)
    half = inputs + 4.5  # actor and critic of width w have 2 w^2 + 2 (inputs + 4.5) w parameters
    width = round((math.sqrt(half**2 + 2 * size) - half) / 2)
    kwargs = {"net_arch": [width, width], "activation_fn": torch.nn.ReLU}
    return PPO("MlpPolicy", env, policy_kwargs=kwargs, **ppo_kwargs(config))


def steps_per_second(model: PPO, repeats: int = 5) -> float:
    """The steps per second of whole updates, after a first one."""
    rollout = model.n_steps * model.n_envs
    return rollout / seconds(lambda: model.learn(rollout, reset_num_timesteps=False), repeats)


def operations_per_step(model: PPO) -> float:
    """Multiply-adds, twice, of the dense layers beyond the first per step: once to act or to value, thrice to learn."""
    layers = [p for name, p in model.policy.named_parameters() if p.ndim == 2 and ".0." not in name]
    return 2 * (1 + 3 * model.n_epochs) * sum(p.numel() for p in layers)


def dummy(config: TrainConfig) -> DummyVecEnv:
    def one() -> OversightGridEnv:
        return OversightGridEnv(**config.env.to_json())

    return DummyVecEnv([one] * config.hyper.num_envs)


def main() -> None:
    rows = []
    for name in ("fast", "paper-reinforce"):
        config = TrainConfig.of(preset=name)
        routed = make_model(config)
        size = parameters(routed)
        others: dict[str, Callable[[], PPO]] = {
            "SB3 PPO, native VecEnv": lambda config=config, size=size: ppo(config, make_env(config), size),
            "SB3 PPO, DummyVecEnv": lambda config=config, size=size: ppo(config, dummy(config), size),
        }
        ours = steps_per_second(routed)
        bound = matrix_rate(width=config.hyper.layers[0]) / operations_per_step(routed)
        rows.append([name, "RoutedPPO", f"{size:,}", rate(ours), "1.00", f"{ours / bound:.0%}"])
        for other, make in others.items():
            model = make()
            found = steps_per_second(model, repeats=2 if "Dummy" in other else 5)
            rows.append([name, other, f"{parameters(model):,}", rate(found), f"{ours / found:.2f}", ""])
        torch.set_num_threads(2)
        found = steps_per_second(make_model(config))
        torch.set_num_threads(1)
        rows.append([name, "RoutedPPO, 2 threads", f"{size:,}", rate(found), f"{ours / found:.2f}", ""])
    header = ["preset", "algorithm", "parameters", "steps/s", "RoutedPPO is faster by", "of a dense network's limit"]
    table("Training, rollouts and updates", header, rows)


if __name__ == "__main__":
    main()

"""Builds a run's environment, policy and algorithm from its config."""

import math
from dataclasses import replace
from typing import Any

from stable_baselines3.common.utils import ConstantSchedule, LinearSchedule
from torch import nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.defects import LATE
from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs.sb3 import OversightVecEnv
from oversight_gym.runs.config import TrainConfig


def make_env(config: TrainConfig) -> OversightVecEnv:
    """The training environment; its infos hold nothing hidden."""
    env = config.env
    if LATE in config.hyper.paper_compat:
        env = replace(env, max_episode_steps=env.step_limit + 1)
    return OversightVecEnv(config.hyper.num_envs, config.seed, reveal_hidden=False, **env.to_json())


def _policy_kwargs(config: TrainConfig) -> dict[str, Any]:
    hyper = config.hyper
    return {
        **config.method_row.policy_kwargs(config.env),
        "net_arch": {
            "pi": list(hyper.layers),
            "vf": list(hyper.value_layers),
            "gate": list(hyper.gate_layers),
        },
        "channels": {"gate": hyper.gate_channels, "vf": hyper.value_channels},
        "linear_value": hyper.linear_value,
        "zero_bias": hyper.zero_bias,
        "activation_fn": nn.ReLU,
        "ortho_init": hyper.ortho_init,
        "optimizer_kwargs": {"fused": True, "eps": hyper.adam_eps},
    }


def make_policy(config: TrainConfig) -> GatedMixturePolicy:
    """An untrained policy of the run's shape, on the CPU."""
    env = OversightVecEnv(1, **config.env.to_json())
    return GatedMixturePolicy(env.observation_space, env.action_space, ConstantSchedule(0.0), **_policy_kwargs(config))


def ppo_kwargs(config: TrainConfig) -> dict[str, Any]:
    """The arguments of SB3's ``PPO``, except the policy's."""
    hyper = config.hyper
    rate = hyper.learning_rate
    names = ("n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "clip_range", "normalize_advantage")
    return {name: getattr(hyper, name) for name in (*names, "ent_coef", "vf_coef")} | {
        "learning_rate": LinearSchedule(rate, 0.0, 1.0) if hyper.anneal else rate,
        "max_grad_norm": hyper.max_grad_norm or math.inf,
        "seed": config.seed,
        "device": config.device,
    }


def make_model(config: TrainConfig, **changed_policy: Any) -> RoutedPPO:
    """The algorithm, ready to learn; keywords change arguments of the policy."""
    hyper = config.hyper
    return RoutedPPO(
        GatedMixturePolicy,
        make_env(config),
        method=config.method_row.configure(hyper),
        gate_coef=hyper.gate_coef,
        balanced_gate=hyper.balanced_gate,
        gate_per_minibatch=hyper.gate_per_minibatch,
        paper_compat=hyper.paper_compat,
        policy_kwargs=_policy_kwargs(config) | changed_policy,
        **ppo_kwargs(config),
    )

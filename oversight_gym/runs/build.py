"""From a run's config to its environment, policy and algorithm."""

import math
from typing import Any

from stable_baselines3.common.utils import ConstantSchedule, LinearSchedule
from torch import nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.runs.config import TrainConfig
from oversight_gym.envs.sb3 import OversightVecEnv


def make_env(config: TrainConfig) -> OversightVecEnv:
    """The training environment; its infos hold nothing hidden."""
    return OversightVecEnv(config.hyper.num_envs, config.seed, reveal_hidden=False, **config.env.to_json())


def _policy_kwargs(config: TrainConfig) -> dict[str, Any]:
    method = config.method_row
    hyper = config.hyper
    return {
        "experts": method.experts,
        "gated": method.gated,
        "hidden_planes": (config.env.view_part.planes(config.env.world).index("oversight"),) if method.shown_oversight == "hidden" else (),
        "net_arch": {
            "pi": list(hyper.hidden),
            "vf": list(hyper.value_hidden),
            "gate": list(hyper.gate_hidden),
        },
        "channels": {"gate": hyper.gate_channels, "vf": hyper.value_channels},
        "linear_value": hyper.linear_value,
        "activation_fn": nn.ReLU,
        "ortho_init": hyper.ortho_init,
        "optimizer_kwargs": {"fused": True, "eps": hyper.adam_eps},
    }


def make_policy(config: TrainConfig) -> GatedMixturePolicy:
    """An untrained policy of the run's shape, on the CPU."""
    env = OversightVecEnv(1, **config.env.to_json())
    return GatedMixturePolicy(env.observation_space, env.action_space, ConstantSchedule(0.0), **_policy_kwargs(config))


def ppo_kwargs(config: TrainConfig) -> dict[str, Any]:
    """Arguments of SB3's ``PPO``, but for the policy's."""
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
    method = config.method_row
    return RoutedPPO(
        GatedMixturePolicy,
        make_env(config),
        routed=method.routed,
        gate_coef=config.hyper.gate_coef if method.gate_loss else 0.0,
        balanced_gate=config.hyper.balanced_gate,
        trained_on=method.trained_on,
        hard_gate=method.hard_gate,
        shuffle_labels=method.shuffled_labels,
        reward_model=method.reward_model,
        paper_compat=config.hyper.paper_compat,
        finetuning=method.finetuning,
        finetune_from=round((1 - config.hyper.finetune_share) * config.hyper.total_timesteps),
        policy_kwargs=_policy_kwargs(config) | changed_policy,
        **ppo_kwargs(config),
    )

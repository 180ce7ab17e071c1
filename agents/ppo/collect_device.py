"""Rollouts that stay on a device with environment, policy and observations; only small arrays are copied back."""

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.buffer import OutcomeBuffer
from oversight_gym.agents.ppo.defects import STALE
from oversight_gym.envs.device import DeviceCore
from oversight_gym.envs.infos import episode_entries
from oversight_gym.envs.sb3 import OversightVecEnv

SMALL = ("actions", "log_probs", "rewards", "ended", "observed")
"""The arrays that are copied to the host after a rollout."""


@torch.no_grad()
def collect_on_device(
    model: Any, env: OversightVecEnv, callback: BaseCallback, rollout_buffer: OutcomeBuffer, n_rollout_steps: int
) -> bool:
    """Fill the buffer with the same draws as ``collect`` on the same device and the same numbers up to rounding.

    Observations stay on the device for the update. Callbacks see neither ``infos`` nor the arrays of single steps.
    Arguments and result are those of SB3's ``OnPolicyAlgorithm.collect_rollouts``, with ``model`` as its ``self``.
    """
    policy: GatedMixturePolicy = model.policy
    policy.set_training_mode(False)
    rollout_buffer.reset()
    callback.on_rollout_start()
    core = DeviceCore(env.core, model.device)
    returns, episodes = torch.as_tensor(env.episode_returns, device=model.device), []
    kept: dict[str, list[Tensor]] = {name: [] for name in ("observations", *SMALL)}
    cut: list[tuple[int, Tensor, Tensor]] = []  # truncated episodes: step, where, last observations
    stale, obs = STALE in model.paper_compat, core.observe()
    for step in range(n_rollout_steps):
        log_probs = policy.log_probs(obs)
        drawn = torch.multinomial(log_probs.exp(), 1)
        seen = core.step(drawn.squeeze(1))
        ended = seen.terminated | seen.truncated
        returns = returns + seen.reward
        model.num_timesteps += env.num_envs
        callback.update_locals(locals() | {"self": model})
        going_on = callback.on_step()
        truncated = seen.truncated.nonzero().squeeze(1)
        if len(truncated):
            cut.append((step, truncated, core.observe()[truncated]))
        where = ended.nonzero().squeeze(1)
        last = core.observe()[where] if stale else None
        episodes.append((returns[where], core.steps[where]))
        returns = returns.masked_fill(ended, 0.0)
        core.restart(where)
        row = obs, drawn, log_probs.gather(1, drawn).squeeze(1), seen.reward, ended, seen.observed
        for name, tensor in zip(kept, row, strict=True):
            kept[name].append(tensor)
        obs = core.observe()
        if last is not None:
            obs[where] = last
        if not going_on:
            break
    core.hand_back()
    env.episode_returns[:] = returns.cpu().numpy()
    if not going_on:
        return False
    stacked = {name: torch.stack(tensors) for name, tensors in kept.items()}
    last_obs = core.observe()
    values = policy.predict_values(torch.cat([stacked["observations"].flatten(0, 1), last_obs])).squeeze(1)
    for step, truncated, last in cut:
        stacked["rewards"][step, truncated] += model.gamma * policy.predict_values(last).squeeze(1)
    arrays = {name: stacked[name].cpu().numpy() for name in SMALL}
    starts = np.concatenate([model._last_episode_starts[None], arrays["ended"][:-1]])
    for name, array in arrays.items():
        getattr(rollout_buffer, name)[:] = array
    rollout_buffer.values[:] = values[: -env.num_envs].cpu().numpy().reshape(rollout_buffer.values.shape)
    rollout_buffer.episode_starts[:] = starts
    rollout_buffer.pos, rollout_buffer.full = n_rollout_steps, True
    rollout_buffer.device_observations = stacked["observations"]
    model._last_obs, model._last_episode_starts = env.core.observe(), arrays["ended"][-1]
    for finished, lengths in episodes:
        model.ep_info_buffer.extend(episode_entries(finished, lengths))
    rollout_buffer.compute_returns_and_advantage(values[-env.num_envs :], arrays["ended"][-1])
    callback.update_locals(locals() | {"self": model})
    callback.on_rollout_end()
    return True

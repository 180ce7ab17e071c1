"""Rollouts from the native environment: SB3's ``collect_rollouts`` without Python per environment."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from oversight_gym.agents.policies.memory import keep_freed_memory
from oversight_gym.agents.policies.multi_hot import MultiHot, Repeated, flat_binary
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.buffer import OutcomeBuffer, flat
from oversight_gym.agents.ppo.defects import STALE
from oversight_gym.envs.infos import StepInfos
from oversight_gym.envs.sb3 import OversightVecEnv

StepResult = tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.bool_], StepInfos]


class PolicyCache:
    """A policy's action probabilities for the observations of one rollout.

    The policy's parameters do not change during a rollout, so each distinct observation is evaluated once.

    Args:
        policy: the policy.
        most: the number of observations in the rollout.
        actions: the number of actions.

    Attributes:
        log_probs, probs: shape (most, actions), of every action, filled up to the last observation evaluated.
    """

    def __init__(self, policy: GatedMixturePolicy, most: int, actions: int) -> None:
        self.policy = policy
        self.log_probs = torch.empty(most, actions, device=policy.device)
        self.probs = torch.empty_like(self.log_probs)
        self._evaluated: list[Any] = []
        self._count = 0
        self._row_of: dict[int, int] = {}  # by the key of an observation

    def _evaluate(self, obs: Any) -> None:
        rows = slice(self._count, self._count + len(obs))
        self.log_probs[rows] = self.policy.log_probs(obs)
        self.probs[rows] = self.log_probs[rows].exp()
        self._evaluated.append(obs)
        self._count += len(obs)

    def rows(self, obs: Tensor) -> NDArray[np.int64]:
        """The rows of ``log_probs``, ``probs`` and ``evaluated`` that belong to observations (n, ...), shape (n,)."""
        before = self._count
        if not self.policy.reads_ones(obs):
            self._evaluate(obs)
            return np.arange(before, self._count)
        hot, row_of = MultiHot.of(flat_binary(obs)), self._row_of
        rows = np.array([row_of.setdefault(key, len(row_of)) for key in hot.keys().tolist()])
        fresh = np.flatnonzero(rows >= before)
        if len(fresh):
            where = np.empty(len(row_of) - before, dtype=np.int64)
            where[rows[fresh] - before] = fresh  # any of the equal ones
            self._evaluate(hot[where])
        return rows

    @property
    def evaluated(self) -> Any:
        """The observations evaluated so far."""
        return (
            MultiHot.join(self._evaluated) if isinstance(self._evaluated[0], MultiHot) else torch.cat(self._evaluated)
        )


def collect(
    model: Any, env: OversightVecEnv, callback: BaseCallback, rollout_buffer: OutcomeBuffer, n_rollout_steps: int
) -> bool:
    """Fill the buffer with the same actions as SB3's loop and the same numbers up to rounding.

    Values are computed at the end of the rollout, including those of the last observations of truncated episodes.
    Arguments and result are those of SB3's ``OnPolicyAlgorithm.collect_rollouts``, with ``model`` as its ``self``.
    """
    policy: GatedMixturePolicy = model.policy
    policy.set_training_mode(False)
    keep_freed_memory()
    rollout_buffer.reset()
    callback.on_rollout_start()
    with policy.unchanged():
        return _collect(model, env, callback, rollout_buffer, n_rollout_steps)


def _collect(
    model: Any, env: OversightVecEnv, callback: BaseCallback, rollout_buffer: OutcomeBuffer, n_rollout_steps: int
) -> bool:
    policy: GatedMixturePolicy = model.policy
    cache = PolicyCache(policy, n_rollout_steps * env.num_envs, model.action_space.n)
    row_of_step = np.empty((n_rollout_steps, env.num_envs), dtype=np.int64)
    stale = STALE in model.paper_compat
    truncated, last = [], []  # where episodes were cut off, flat over steps and environments; their last observations
    for step in range(n_rollout_steps):
        row_of_step[step] = cache.rows(torch.as_tensor(model._last_obs, device=model.device))
        probs = cache.probs[torch.from_numpy(row_of_step[step])]
        actions = torch.multinomial(probs, 1).squeeze(1).cpu().numpy()  # the draw of SB3's categorical distribution
        new_obs, rewards, dones, infos = cast(StepResult, env.step(actions))
        model.num_timesteps += env.num_envs
        callback.update_locals(locals() | {"self": model})
        if not callback.on_step():
            return False
        model._update_info_buffer(infos, dones)
        where = np.flatnonzero(infos.truncated)
        if len(where):
            truncated.append(step * env.num_envs + where)
            last.append(infos.last(where))
        rollout_buffer.put(model._last_obs, actions, rewards, model._last_episode_starts)
        if stale and step + 1 < n_rollout_steps:
            new_obs[dones] = infos.last(np.flatnonzero(dones))
        model._last_obs, model._last_episode_starts = new_obs, dones
    taken = cache.log_probs.cpu().numpy()[row_of_step[..., None], rollout_buffer.actions.astype(np.int64)]
    rollout_buffer.log_probs[:] = taken.squeeze(-1)
    table = cache.evaluated
    rollout_buffer.values[:] = policy.predict_values(table).cpu().numpy().ravel()[row_of_step]
    if isinstance(table, MultiHot):
        rollout_buffer.ones = Repeated(table, flat(row_of_step))
    beyond = torch.as_tensor(np.concatenate([*last, model._last_obs]), device=model.device)
    values = policy.predict_values(beyond).flatten()
    if truncated:
        bootstrap = values[: -env.num_envs].cpu().numpy()
        rollout_buffer.rewards.reshape(-1)[np.concatenate(truncated)] += model.gamma * bootstrap
    rollout_buffer.compute_returns_and_advantage(values[-env.num_envs :], dones)
    callback.update_locals(locals() | {"self": model})
    callback.on_rollout_end()
    return True

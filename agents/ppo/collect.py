"""Rollouts from the native environment: SB3's ``collect_rollouts`` without Python per environment."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from oversight_gym.agents.policies.multi_hot import MultiHot, flat_binary
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.buffer import OutcomeBuffer
from oversight_gym.envs.infos import StepInfos
from oversight_gym.envs.sb3 import OversightVecEnv

StepResult = tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.bool_], StepInfos]


class _Answers:
    """What a policy says to the observations of one rollout. Its parameters stay, so equal ones are asked once.

    Args:
        policy: the policy.
        most: number of observations in the rollout.
        actions: number of actions.
    """

    def __init__(self, policy: GatedMixturePolicy, most: int, actions: int) -> None:
        self.policy = policy
        self.log_probs = torch.empty(most, actions, device=policy.device)
        self._asked: list[Tensor] = []
        self._count = 0
        self._keys = np.zeros(0, dtype=np.int64)  # sorted
        self._rows = np.zeros(0, dtype=np.int64)  # of those keys

    def _ask(self, obs: Tensor) -> NDArray[np.int64]:
        rows = np.arange(self._count, self._count + len(obs))
        self.log_probs[self._count : self._count + len(obs)] = self.policy.log_probs(obs)
        self._asked.append(obs)
        self._count += len(obs)
        return rows

    def rows(self, obs: Tensor) -> NDArray[np.int64]:
        """Where in ``log_probs`` and :meth:`values` the answers to observations (n, ...) are, shape (n,)."""
        if not self.policy.reads_ones(obs):
            return self._ask(obs)
        found = MultiHot.of(flat_binary(obs)).keys()
        place = np.searchsorted(self._keys, found)
        known = place < len(self._keys)
        known[known] = self._keys[place[known]] == found[known]
        if not known.all():
            fresh, first = np.unique(found[~known], return_index=True)
            rows = self._ask(obs[torch.from_numpy(np.flatnonzero(~known)[first])])
            at = np.searchsorted(self._keys, fresh)
            self._keys, self._rows = np.insert(self._keys, at, fresh), np.insert(self._rows, at, rows)
            place = np.searchsorted(self._keys, found)
        answered: NDArray[np.int64] = self._rows[place]
        return answered

    def values(self) -> NDArray[np.float32]:
        """Shape (observations asked about,)."""
        values: NDArray[np.float32] = self.policy.predict_values(torch.cat(self._asked)).cpu().numpy().ravel()
        return values


@torch.no_grad()
def collect(
    model: Any, env: OversightVecEnv, callback: BaseCallback, rollout_buffer: OutcomeBuffer, n_rollout_steps: int
) -> bool:
    """Fill the buffer; draws the same actions as SB3's loop, and gives the same numbers but for rounding.

    Values are computed at the end of the rollout, those of truncated episodes' last observations included.
    Arguments and result as in SB3's ``OnPolicyAlgorithm.collect_rollouts``, ``model`` being its ``self``.
    """
    policy: GatedMixturePolicy = model.policy
    policy.set_training_mode(False)
    rollout_buffer.reset()
    callback.on_rollout_start()
    answers = _Answers(policy, n_rollout_steps * env.num_envs, model.action_space.n)
    asked = np.empty((n_rollout_steps, env.num_envs), dtype=np.int64)
    cut: list[tuple[int, NDArray[np.intp], NDArray[Any]]] = []  # truncated episodes: step, where, last observations
    for step in range(n_rollout_steps):
        obs_tensor = torch.as_tensor(model._last_obs, device=model.device)
        asked[step] = answers.rows(obs_tensor)
        log_probs = answers.log_probs[torch.from_numpy(asked[step])]
        drawn = torch.multinomial(log_probs.exp(), 1)  # the draw of SB3's categorical distribution
        actions = drawn.squeeze(1).cpu().numpy()
        new_obs, rewards, dones, infos = cast(StepResult, env.step(actions))
        model.num_timesteps += env.num_envs
        callback.update_locals(locals() | {"self": model})
        if not callback.on_step():
            return False
        model._update_info_buffer(infos, dones)
        truncated = np.flatnonzero(infos.truncated)
        if len(truncated):
            cut.append((step, truncated, infos.last(truncated)))
        chosen = log_probs.gather(1, drawn).squeeze(1)
        rollout_buffer.put(model._last_obs, actions, rewards, model._last_episode_starts, chosen)
        model._last_obs, model._last_episode_starts = new_obs, dones
    rollout_buffer.values[:] = answers.values()[asked]
    for step, truncated, last in cut:
        bootstrap = policy.predict_values(torch.as_tensor(last, device=model.device)).cpu().numpy().ravel()
        rollout_buffer.rewards[step, truncated] += model.gamma * bootstrap
    last_values = policy.predict_values(torch.as_tensor(model._last_obs, device=model.device))
    rollout_buffer.compute_returns_and_advantage(last_values, dones)
    callback.update_locals(locals() | {"self": model})
    callback.on_rollout_end()
    return True

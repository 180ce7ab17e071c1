"""Rollout buffers with the observed outcome of each step's episode and the steps that an update may see."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import MultiBinary
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from torch import Tensor

from oversight_gym.agents.policies.forward import Minibatch
from oversight_gym.agents.policies.multi_hot import Repeated
from oversight_gym.agents.ppo.labels import NONE, UNFINISHED, EpisodeEnds, fill_back


class OutcomeBuffer(RolloutBuffer):
    """SB3's buffer with the observed outcome of each step, and with labels and weights for minibatches.

    Attributes:
        before_returns: a function, or None, that is called with the buffer after a rollout and before returns are
            computed; it may change ``rewards`` (buffer_size, n_envs) by what the supervisor saw.
        cut_is_worthless: whether, as in the paper's code, episodes that time out or are still running when the rollout
            ends are worth nothing beyond their last step and count as finished, instead of being bootstrapped
            (``defects.CUT``).
        ended: shape (buffer_size, n_envs), bool, whether the step was its episode's last.
        observed: shape (buffer_size, n_envs), int8, the number of the episode's observed outcome at its last step (see
            ``Routes``).
        outcomes: after a rollout, the outcome of each step's episode, or ``UNFINISHED``; shape (buffer_size, n_envs),
            int8.
        labels: shape (buffer_size, n_envs), int64: the expert of each step, or ``UNLABELLED``; None for no labels.
        steps: shape (buffer_size, n_envs), the steps that an update sees (bool) or the weight of each step (float32, 0
            to leave it out); None for all.
        device_observations: shape (buffer_size, n_envs, ...), if a rollout stayed on a device, else None.
        ones: the observations in sparse form, environment by environment, if the collector gives them, else None.
    """

    def __init__(self, *args: Any, cut_is_worthless: bool = False, **kwargs: Any) -> None:
        self.cut_is_worthless = cut_is_worthless
        self.before_returns: Callable[[OutcomeBuffer], None] | None = None
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        super().reset()
        if isinstance(self.observation_space, MultiBinary):
            self.observations = np.zeros(self.observations.shape, dtype=np.int8)  # SB3 takes four times the memory
        self.device_observations: Tensor | None = None
        self.ones: Repeated | None = None
        self.labels: NDArray[np.int64] | None = None
        self.steps: NDArray[Any] | None = None
        shape = (self.buffer_size, self.n_envs)
        self.ended = np.zeros(shape, dtype=bool)
        self.observed = np.zeros(shape, dtype=np.int8)
        self.outcomes = np.full(shape, UNFINISHED, dtype=np.int8)

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Whether each step's episode ended within the rollout, shape (buffer_size, n_envs)."""
        finished: NDArray[np.bool_] = self.outcomes != UNFINISHED
        return finished

    def note(self, ends: EpisodeEnds) -> None:
        """Store the supervisor's view of the step that is about to be added."""
        self.ended[self.pos] = ends.ended
        self.observed[self.pos] = ends.observed

    def put(
        self,
        obs: NDArray[Any],
        actions: NDArray[np.int64],
        rewards: NDArray[np.float32],
        episode_starts: NDArray[np.bool_],
    ) -> None:
        """As SB3's ``add`` for integer actions (n_envs,), but values and log-probabilities are stored later."""
        self.observations[self.pos] = obs.reshape(self.observations.shape[1:])  # numbers of situations are (n_envs,)
        self.actions[self.pos] = actions[:, None]
        self.rewards[self.pos] = rewards
        self.episode_starts[self.pos] = episode_starts
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def seen(self, where: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.int8]:
        """The observations at steps and environments (m,), (m,) of a rollout not yet flattened, shape (m, ...)."""
        if self.device_observations is not None:
            return self.device_observations[tuple(map(torch.from_numpy, where))].cpu().numpy().astype(np.int8)
        return self.observations[where].astype(np.int8)

    def plane(self, index: int) -> NDArray[np.bool_]:
        """One plane of all its observations, shape (buffer_size, n_envs, squares)."""
        stored = self.observations if self.device_observations is None else self.device_observations
        squares = stored[:, :, index].reshape(self.buffer_size, self.n_envs, -1)
        return (squares.cpu().numpy() if isinstance(squares, Tensor) else squares).astype(bool)

    def pay(self, table: NDArray[np.float32]) -> None:
        """Replace the rewards at the ends of episodes by those of their observed outcomes, given as (outcomes,)."""
        terminated = self.ended & (self.observed != NONE)  # truncated ones keep their bootstrap
        self.rewards[terminated] = table[self.observed[terminated]]

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        if self.before_returns is not None:
            self.before_returns(self)
        if self.cut_is_worthless:
            self.rewards[self.ended & (self.observed == NONE)] = 0.0
            last_values = torch.zeros_like(last_values)
        super().compute_returns_and_advantage(last_values, dones)
        self.outcomes = fill_back(self.ended, self.observed)
        if self.cut_is_worthless:
            self.outcomes[self.outcomes == UNFINISHED] = NONE

    def kept(self) -> NDArray[np.bool_]:
        """The steps that an update sees, shape (buffer_size, n_envs)."""
        return np.ones((self.buffer_size, self.n_envs), dtype=bool) if self.steps is None else self.steps != 0

    def get(self, batch_size: int | None = None) -> Generator[Minibatch, None, None]:  # type: ignore[override]
        """Minibatches of the kept steps; they have equal sizes if ``batch_size`` does not divide the number of steps.

        If every step is kept, these are SB3's own minibatches, drawn by the same generator.
        """
        kept = np.flatnonzero(flat(self.kept()))
        if not len(kept):
            return
        batch_size = batch_size or len(kept)
        order = kept[np.random.permutation(len(kept))]  # noqa: NPY002 - SB3 seeds and uses this generator
        whole = self.steps is None or len(kept) % batch_size == 0
        cuts = range(batch_size, len(kept), batch_size) if whole else max(1, round(len(kept) / batch_size))
        for indices in np.array_split(order, cuts):
            yield self.minibatch(indices)

    def minibatch(self, indices: NDArray[np.intp]) -> Minibatch:
        """The steps at these indices, shape (batch,), of the rollout flattened environment by environment."""
        if not self.generator_ready:
            self._flatten()
        samples = self._get_samples(indices)
        if self.device_observations is not None:
            steps = self.to_torch(indices % self.buffer_size), self.to_torch(indices // self.buffer_size)
            samples = samples._replace(observations=self.device_observations[steps])
        labels, weights = (None if array is None else self.to_torch(array[indices]) for array in self._carried)
        return Minibatch(*samples, labels, weights, self.ones and self.ones.some(indices))

    def _flatten(self) -> None:
        weights = None if self.steps is None or self.steps.dtype == bool else self.steps
        self._carried = [None if array is None else flat(array) for array in (self.labels, weights)]
        for name in ("actions", "values", "log_probs", "advantages", "returns"):
            setattr(self, name, self.swap_and_flatten(getattr(self, name)))
        self._flatten_observations()
        self.generator_ready = True

    def _flatten_observations(self) -> None:
        self.observations = self.swap_and_flatten(self.observations)


class DictOutcomeBuffer(OutcomeBuffer, DictRolloutBuffer):  # type: ignore[misc]  # minibatches of SB3's own are of another type
    """The same buffer for dict observations."""

    def _flatten_observations(self) -> None:
        self.observations = {key: self.swap_and_flatten(obs) for key, obs in self.observations.items()}


def flat(array: NDArray[Any]) -> NDArray[Any]:
    """An array (steps, envs) in the order of SB3's flattened buffer, (envs * steps,)."""
    return array.swapaxes(0, 1).ravel()

"""The rollout buffer that knows how each step's episode was observed to end."""

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from oversight_gym.agents.ppo.labels import UNFINISHED, EpisodeEnds, fill_back, shuffle_kinds
from oversight_gym.envs.oversight.outcomes import Outcome


@dataclass(frozen=True)
class Payment:
    """Pays the ends of a rollout's episodes by how they were observed, whatever the environment paid.

    Attributes:
        table: shape (outcomes,), the reward of each observed ``Outcome``.
    """

    table: NDArray[np.float32]

    def __call__(self, buffer: "RoutedRolloutBuffer") -> None:
        terminated = buffer.ended & (buffer.observed != Outcome.NONE)  # truncated ones keep their bootstrap
        buffer.rewards[terminated] = self.table[buffer.observed[terminated]]


class RoutedRolloutBuffer(RolloutBuffer):
    """SB3's buffer, with outcomes per step and a rule for which steps an update sees.

    Rule: an update sees the steps whose episode ended within the rollout with one of the outcomes in
    ``trained_on``. Steps of an episode still running when the rollout ends are dropped for good: its
    outcome is not known yet, and the policy that took them is outdated once it is. The later steps of such
    an episode, collected in the rollout where it ends, are kept and labelled. (The paper drops unfinished
    episodes, too.) ``trained_on=None`` sees every step, exactly as SB3's buffer.

    Attributes:
        trained_on: outcomes whose episodes are trained on; None for every step, finished or not.
        label_table: shape (outcomes + 1,), expert index of each outcome (see ``labels_by_outcome``).
        device_observations: shape (buffer_size, n_envs, ...), where a rollout stayed on a device, else None.
        shuffle: if given, the observed kinds are dealt to the observed episodes at random, by this generator.
        relabel: if given, called with the buffer after a rollout, before returns are computed, to change ``rewards``
            (buffer_size, n_envs) by what the supervisor saw.
        paper_compat: reproduce two defects of the paper's code: episodes still running when the rollout ends, and those
            that time out, are worth 0 and count as finished, instead of being dropped and bootstrapped.
        outcomes: after a rollout: shape (buffer_size, n_envs), int8, ``Outcome`` or ``UNFINISHED``.
        batch_labels: labels of the minibatch last yielded by :meth:`get`, shape (batch,), int64.
    """

    def __init__(
        self,
        *args: Any,
        trained_on: Collection[int] | None,
        label_table: NDArray[np.int64],
        shuffle: np.random.Generator | None = None,
        relabel: "Callable[[RoutedRolloutBuffer], None] | None" = None,
        paper_compat: bool = False,
        **kwargs: Any,
    ) -> None:
        self.trained_on = trained_on
        self.shuffle = shuffle
        self.relabel: Callable[[RoutedRolloutBuffer], None] | None = relabel
        self.paper_compat = paper_compat
        self.label_table = label_table
        self.device_observations: Tensor | None = None
        self.batch_labels: Tensor = torch.zeros(0, dtype=torch.int64)
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        super().reset()
        self.device_observations = None
        shape = (self.buffer_size, self.n_envs)
        self.ended = np.zeros(shape, dtype=bool)
        self.observed = np.zeros(shape, dtype=np.int8)
        self.outcomes = np.full(shape, UNFINISHED, dtype=np.int8)

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
        log_probs: Tensor,
    ) -> None:
        """As SB3's ``add`` for integer actions, each (n_envs,), with the values left for later."""
        self.observations[self.pos] = obs
        self.actions[self.pos] = actions[:, None]
        self.rewards[self.pos] = rewards
        self.episode_starts[self.pos] = episode_starts
        self.log_probs[self.pos] = log_probs.cpu().numpy()
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

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        if self.relabel is not None:
            self.relabel(self)
        if self.paper_compat:
            self.rewards[self.ended & (self.observed == Outcome.NONE)] = 0.0
            last_values = torch.zeros_like(last_values)
        super().compute_returns_and_advantage(last_values, dones)
        observed = self.observed
        if self.shuffle is not None:
            observed = shuffle_kinds(self.ended, observed, self.shuffle)
        self.outcomes = fill_back(self.ended, observed)
        if self.paper_compat:
            self.outcomes[self.outcomes == UNFINISHED] = Outcome.NONE

    def _flat_outcomes(self) -> NDArray[np.int8]:
        """Shape (n_envs * buffer_size,), in the order of SB3's flattened buffer."""
        return self.outcomes.swapaxes(0, 1).ravel()

    def labels(self) -> NDArray[np.int64]:
        """Shape (n_envs * buffer_size,), in the same order: expert index of each step, or ``UNLABELLED``."""
        return self.label_table[self._flat_outcomes()]

    def kept(self) -> NDArray[np.bool_]:
        """Shape (n_envs * buffer_size,), in the same order: the steps an update sees."""
        flat = self._flat_outcomes()
        return np.ones(len(flat), dtype=bool) if self.trained_on is None else np.isin(flat, list(self.trained_on))

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Minibatches of the kept steps, of equal size where ``batch_size`` does not divide their number.

        With every step kept these are SB3's own minibatches, drawn by the same generator.
        """
        labels = self.labels()
        kept = np.flatnonzero(self.kept())
        if not len(kept):
            return
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        batch_size = batch_size or len(kept)
        order = kept[np.random.permutation(len(kept))]  # noqa: NPY002 - SB3 seeds and uses this generator
        whole = self.trained_on is None or len(kept) % batch_size == 0
        cuts = range(batch_size, len(kept), batch_size) if whole else max(1, round(len(kept) / batch_size))
        for indices in np.array_split(order, cuts):
            self.batch_labels = torch.as_tensor(labels[indices], device=self.device)
            yield self._get_samples(indices)

    def _get_samples(self, batch_inds: NDArray[np.intp], env: Any = None) -> RolloutBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        if self.device_observations is None:
            return samples
        steps = self.to_torch(batch_inds % self.buffer_size), self.to_torch(batch_inds // self.buffer_size)
        return samples._replace(observations=self.device_observations[steps])

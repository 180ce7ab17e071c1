"""The infos of a batched step, each of which is made when it is first read."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.core import hidden_info


def episode_entries(returns: Any, lengths: Any) -> list[dict[str, Any]]:
    """What SB3's ``Monitor`` reports of each of ``m`` episodes, from arrays or tensors of shape (m,)."""
    return [{"r": value, "l": steps} for value, steps in zip(returns.tolist(), lengths.tolist(), strict=True)]


class StepInfos(Sequence[dict[str, Any]]):
    """One info dict per environment, empty where no episode ended; it behaves like the list that SB3 expects.

    A dict is made at its first look-up and kept, so that whatever a wrapper writes into it stays.

    Args:
        config: the environment's config.
        ended: shape (num_envs,), bool, where an episode ended.
        observed: shape (num_envs,), int8, the supervisor's view of the step.
        truncated: shape (num_envs,), bool.
        returns, lengths: shape (num_envs,), the sum of training rewards (float32) and the number of steps (int32) of
            each episode so far.
        last: shape ``(episodes ended, *shape)``, their last observations.
        outcome: shape (num_envs,), int8, the ground truth, or None to withhold it.
    """

    def __init__(
        self,
        config: EnvConfig,
        ended: NDArray[np.bool_],
        observed: NDArray[np.int8],
        truncated: NDArray[np.bool_],
        returns: NDArray[np.float32],
        lengths: NDArray[np.int32],
        last: NDArray[Any],
        outcome: NDArray[np.int8] | None,
    ) -> None:
        self._config = config
        self.ended, self.observed, self.truncated = ended, observed, truncated
        self.returns, self.lengths = returns, lengths
        self._last, self._outcome = last, outcome
        self._made: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self.ended)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]  # negative indices count from the end, others raise IndexError
        if position not in self._made:
            self._made[position] = self._make(position) if self.ended[position] else {}
        return self._made[position]

    def last(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """The last observations of the episodes that ended at these indices, shape ``(m, *shape)``."""
        return self._last[np.searchsorted(np.flatnonzero(self.ended), indices)]

    def episodes(self) -> list[dict[str, Any]]:
        """The entry ``episode`` of every episode that ended."""
        return episode_entries(self.returns[self.ended], self.lengths[self.ended])

    def _make(self, index: int) -> dict[str, Any]:
        info = {
            "observed_outcome": self._config.outcomes(self.observed[index]),
            "TimeLimit.truncated": bool(self.truncated[index]),
            "terminal_observation": self.last(np.array([index]))[0],
            "episode": episode_entries(self.returns[[index]], self.lengths[[index]])[0],
        }
        if self._outcome is not None:
            info["hidden"] = hidden_info(self._config, self._config.outcomes(self._outcome[index]))
        return info

    def __repr__(self) -> str:
        return repr(list(self))

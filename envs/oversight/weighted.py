"""Oversight that favours some terminals: the chance of each is proportional to a weight."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import Count, Positive
from oversight_gym.envs.oversight.by_kind import ByKind
from oversight_gym.envs.oversight.processes import PROCESSES, IndependentTerminals, Squares, Starts

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


class Weighted(IndependentTerminals):
    """The base of processes that oversee a terminal with a chance proportional to its weight, capped at 1.

    The factor is chosen such that the marginal rate is ``oversight_probability``.

    Attributes:
        proportional: whether the chances must keep the proportions of the weights, so that none may be capped at 1.
    """

    proportional = False

    @abstractmethod
    def weights(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        """The weight of each terminal, 0 or more, shape (n, terminals); arguments as in :meth:`patterns`."""

    def chances(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        return np.minimum(1.0, self.factor(config) * self.weights(config, agent, terminals))

    def check(self, config: "EnvConfig") -> None:
        self.factor(config)

    def factor(self, config: "EnvConfig") -> float:
        """The factor of the weights.

        Raises:
            RequestError: if no factor gives the rate.
        """
        weights, counts = _weight_counts(Starts.of(self, config))
        if self.proportional:
            most = float(weights @ counts / weights.max()) if weights.max() else 0.0
        else:
            most = float(counts[weights > 0].sum())
        rate = config.oversight_probability
        if rate > most + 1e-12:
            raise RequestError(
                f"oversight_probability is {rate:g}, but oversight_process {config.oversight_process!r} can watch at "
                f"most {np.floor(1000 * most) / 1000:g} of the terminals here; choose less."
            )
        return _solve(weights, counts, rate)


def _solve(weights: NDArray[np.float64], counts: NDArray[np.float64], rate: float) -> float:
    """The factor c for which the mean of ``min(1, c * weight)`` is ``rate``.

    Args:
        weights: the distinct weights in descending order, shape (m,).
        counts: the share of terminals with each weight, shape (m,).
        rate: a rate that is at most the share of weights that are not 0.
    """
    below = (weights * counts)[::-1].cumsum()[::-1]  # what is left when the weights before it are cut off at 1
    above = counts.cumsum() - counts
    there = weights > 0
    if not there.any():  # the rate is 0, for there is nothing to watch
        return 0.0
    factors = np.maximum(rate - above[there], 0) / below[there]
    fits = factors * weights[there] <= 1 + 1e-12
    return float(factors[fits.argmax()]) if fits.any() else float(1 / weights[there].min())


@lru_cache(maxsize=64)
def _weight_counts(starts: Starts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distinct weights in descending order, and the share of each among all terminals of all starts."""
    process = starts.process
    assert isinstance(process, Weighted)
    found: dict[float, int] = {}
    for agent, terminals in starts.layouts.blocks():
        values, counts = np.unique(process.weights(starts.config, agent, terminals), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[value] = found.get(value, 0) + count
    weights = np.array(sorted(found, reverse=True))
    counts = np.array([found[weight] for weight in weights.tolist()], dtype=np.float64)
    return weights, counts / counts.sum()


@dataclass(frozen=True, init=False)
class KindWeights(ByKind, Weighted):
    """Each kind has a weight of its own: ``by_kind:ghost=3`` watches ghosts three times as often as others."""

    depends_on_layout = False
    proportional = True

    def weights(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        weights = self.of(config.kinds, default=1.0)
        return np.broadcast_to(weights[config.kind_of], terminals.shape)


@dataclass(frozen=True)
class ByDistance(Weighted):
    """Terminals far from the start are rarely watched, so that there are labels for the easy cases only.

    Attributes:
        half: the number of steps from the start over which the weight halves; None for the same weight everywhere.
        within: the largest distance, in steps, of a watched terminal; None for no limit.
    """

    half: Positive | None = 1.0
    within: Count | None = None

    def weights(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        distance = config.grid.distance[agent[:, None], terminals]
        weights = np.ones(distance.shape) if self.half is None else 0.5 ** ((distance - 1) / self.half)
        return weights if self.within is None else np.where(distance <= self.within, weights, 0.0)


@dataclass(frozen=True)
class Adversarial(Weighted):
    """The least valuable kind is watched only where it is far, so that unwatched harm is always near.

    Attributes:
        far: the least distance from the start, in steps, at which it is watched.
    """

    far: Count = 4

    def weights(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        worst = config.kind_of == int(np.argmin(config.values))
        near = config.grid.distance[agent[:, None], terminals] < self.far
        return np.where(worst & near, 0.0, 1.0)


PROCESSES.register("by_kind", KindWeights)
PROCESSES.register("by_distance", ByDistance)
PROCESSES.register("adversarial", Adversarial)

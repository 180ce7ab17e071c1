"""Oversight that changes during training: it ends when a budget is spent, or it changes gradually."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import Count
from oversight_gym.envs.oversight.processes import PROCESSES, Independent, Spent, Squares

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass(frozen=True)
class Budget(Independent):
    """Oversight is ``independent`` until the supervisor has given a number of labels; after that nothing is watched.

    The marginal rate is the rate before the budget is spent. Evaluations are weighted by it as well.

    Attributes:
        labels: the largest number of observed kinds that the supervisor gives in one training.
    """

    labels: Annotated[int, Meta(ge=0)] = 1000

    scheduled = True

    @property
    def budget(self) -> int:  # type: ignore[override]
        return self.labels

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares, spent: Spent | None
    ) -> NDArray[np.bool_]:
        drawn = super().draw(config, rng, agent, terminals, spent)
        return drawn if spent is None else drawn & (spent.labels < self.labels)


@dataclass(frozen=True)
class Annealed(Independent):
    """Oversight is ``independent``, with chances that change linearly over training. Their mean is the marginal rate.

    Attributes:
        begin: the chances at the beginning as a multiple of the marginal rate, from 0 to 2; at the end the multiple is
            ``2 - begin``.
        steps: the number of environment steps after which the chances stay constant.
    """

    begin: Annotated[float, Meta(ge=0, le=2)] = 2.0
    steps: Count = 2_500_000

    scheduled = True

    def factor(self, spent: Spent | None) -> float:
        """The present factor of the chances."""
        if spent is None:
            return 1.0
        return self.begin + 2 * (1 - self.begin) * min(spent.steps / self.steps, 1.0)

    def check(self, config: "EnvConfig") -> None:
        most = float(self.marginal(config).max()) * max(self.begin, 2 - self.begin)
        if most > 1:
            raise RequestError(
                f"oversight_process is {config.oversight_process!r}, with which a chance of oversight would rise to "
                f"{most:.3g}; choose a lower oversight_probability, or a begin nearer to 1."
            )

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares, spent: Spent | None
    ) -> NDArray[np.bool_]:
        chances = self.factor(spent) * self.chances(config, agent, terminals)
        return np.asfortranarray(rng.random(terminals.shape) < chances)


PROCESSES.register("budget", Budget)
PROCESSES.register("annealed", Annealed)

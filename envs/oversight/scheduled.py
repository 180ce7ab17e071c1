"""Oversight that changes while an agent trains: until a budget is spent, or less and less."""

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
    """As ``independent`` until the supervisor has given so many labels; after that nothing is watched.

    The marginal rate is that before the budget is spent, and so are the weights of an evaluation.

    Attributes:
        labels: observed kinds that the supervisor gives in one training, at most.
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
    """As ``independent``, with chances that change evenly over training. Their mean over it is the marginal rate.

    Attributes:
        begin: the chances at first, in multiples of the marginal rate, from 0 to 2; at the end they are ``2 - begin``
            times it.
        steps: of the environment, after which they stay what they are.
    """

    begin: Annotated[float, Meta(ge=0, le=2)] = 2.0
    steps: Count = 2_500_000

    scheduled = True

    def factor(self, spent: Spent | None) -> float:
        """What the chances are multiplied by now."""
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

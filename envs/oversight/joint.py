"""Oversight of several terminals together, and oversight that is correlated with a terminal's value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.oversight.processes import (
    PROCESSES,
    IndependentTerminals,
    OversightProcess,
    Spent,
    Squares,
    pattern_flags,
)
from oversight_gym.envs.oversight.weighted import Weighted

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig
    from oversight_gym.envs.world.grid import Grid


@dataclass(frozen=True)
class WholeEpisode(OversightProcess):
    """Either all terminals of an episode are under oversight or none is."""

    depends_on_layout = False

    def patterns(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        chances = np.zeros(2 ** terminals.shape[1])
        chances[0], chances[-1] = 1 - config.oversight_probability, config.oversight_probability
        return np.broadcast_to(chances, (len(agent), len(chances)))


@dataclass(frozen=True)
class Camera(Weighted):
    """A camera over one half of the grid. In an episode in which it runs, it watches every terminal in that half.

    With an odd number of rows or columns, the middle one is outside. The chance that the camera runs is solved for.

    Attributes:
        side: ``left``, ``right``, ``top`` or ``bottom``.
        edge: whether the policy is shown the whole half as overseen while the camera watches a terminal, or only the
            terminals.
    """

    side: Literal["left", "right", "top", "bottom"] = "left"
    edge: bool = True

    def lit(self, grid: "Grid") -> NDArray[np.bool_] | None:
        return grid.half(self.side) if self.edge else None

    def weights(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        return config.grid.half(self.side)[terminals].astype(np.float64)

    def patterns(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        inside = config.grid.half(self.side)[terminals]
        running = self.factor(config)
        chances = running * (inside[:, None] == pattern_flags(terminals.shape[1])).all(axis=2)
        chances[:, 0] += 1 - running
        return np.asarray(chances)

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares, spent: Spent | None
    ) -> NDArray[np.bool_]:
        return OversightProcess.draw(self, config, rng, agent, terminals, spent)


@dataclass(frozen=True)
class Correlated(IndependentTerminals):
    """Oversight that is correlated with the value of the terminal; with a negative correlation, bad terminals are
    watched more.

    Attributes:
        correlation: over a terminal picked at random, between its value and whether it is under oversight. With one
            ghost and one diamond, oversight p and correlation r, ghosts are watched with probability
            ``p - r sqrt(p (1 - p))`` and diamonds with ``p + r sqrt(p (1 - p))``.
    """

    correlation: Annotated[float, Meta(ge=-1, le=1)] = -0.2

    depends_on_layout = False

    def check(self, config: "EnvConfig") -> None:
        rate, slope = config.oversight_probability, self._slope(config)
        lowest, highest = -_room(rate, -slope), _room(rate, slope)
        if not lowest <= self.correlation <= highest:
            raise RequestError(
                f"correlation is {self.correlation:g}, which no chances give at oversight_probability {rate:g}; choose "
                f"one between {np.ceil(1000 * lowest) / 1000:g} and {np.floor(1000 * highest) / 1000:g}."
            )

    def _slope(self, config: "EnvConfig") -> NDArray[np.float64]:
        """Shape (terminals,): how fast each chance rises with the correlation."""
        values = np.array(config.values)[config.kind_of]
        rate, spread = config.oversight_probability, values.std()
        if spread == 0:
            raise RequestError("correlated oversight needs terminals of different values; choose other kinds.")
        standardised = (values - values.mean()) / spread
        slope: NDArray[np.float64] = np.sqrt(rate * (1 - rate)) * standardised
        return slope

    def chances(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        return np.broadcast_to(self.marginal(config), terminals.shape)

    def marginal(self, config: "EnvConfig") -> NDArray[np.float64]:
        return np.clip(config.oversight_probability + self.correlation * self._slope(config), 0, 1)


def _room(rate: float, slope: NDArray[np.float64]) -> float:
    """The largest number that ``slope`` times it, added to ``rate``, gives probabilities, and at most 1."""
    steep = np.abs(slope) > 1e-12
    room = np.where(slope > 0, 1 - rate, rate)[steep] / np.abs(slope[steep])
    return min(1.0, float(room.min(initial=1.0)) + 1e-12)


PROCESSES.register("episode", WholeEpisode)
PROCESSES.register("camera", Camera)
PROCESSES.register("correlated", Correlated)

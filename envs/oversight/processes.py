"""Oversight processes: which terminals of an episode are under oversight, drawn when it begins.

A process gives the probability of each *pattern* (which terminals are under oversight), given the start. The simulator
draws from it, and the exact evaluator sums over it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.registry import Registry

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig
    from oversight_gym.envs.world.grid import Grid
    from oversight_gym.envs.world.layouts import Layouts

Squares = NDArray[np.int16]


def pattern_flags(terminals: int) -> NDArray[np.bool_]:
    """Every choice of terminals under oversight, the empty one first, shape (patterns, terminals)."""
    return np.array(list(product((False, True), repeat=terminals)))


def pattern_names(terminals: tuple[str, ...]) -> tuple[str, ...]:
    """Names of :func:`pattern_flags`'s rows: ``none``, the watched terminals joined by ``+``, ``both`` or ``all``."""
    everything = "both" if len(terminals) == 2 else "all"
    names = []
    for flags in pattern_flags(len(terminals)):
        watched = [name for name, flag in zip(terminals, flags, strict=True) if flag]
        names.append(everything if flags.all() else "+".join(watched) or "none")
    return tuple(names)


class Spent(NamedTuple):
    """The progress of training: the environment's steps so far, and the labels that its supervisor has given."""

    steps: int = 0
    labels: int = 0


class OversightProcess(ABC):
    """Base of every process: a frozen dataclass (the fields are its parameters) that gives :meth:`patterns`.

    The *marginal rate* of a process is the chance, over all starts, that a terminal picked at random is under
    oversight. It should equal ``oversight_probability``, so that a level means the same under every process.

    Attributes:
        depends_on_layout: whether :meth:`patterns` depends on the squares of agent and terminals.
        scheduled: whether :meth:`draw` depends on the progress of training.
        budget: the number of labels after which nothing is watched any more; None for no limit.
    """

    depends_on_layout = True
    scheduled = False
    budget: int | None = None

    @abstractmethod
    def patterns(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        """P(pattern | start).

        Args:
            config: the environment's config.
            agent: the squares on which episodes begin, shape (n,).
            terminals: squares, shape (n, terminals).

        Returns:
            shape (n, patterns), in the order of :func:`pattern_flags`; rows sum to 1.
        """

    def check(self, config: "EnvConfig") -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse an environment that the process does not fit.

        Raises:
            RequestError: for example if ``oversight_probability`` cannot be reached.
        """

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares, spent: Spent | None
    ) -> NDArray[np.bool_]:
        """Draw which terminals are under oversight, shape (n, terminals), columns contiguous; other arguments as in
        :meth:`patterns`.

        ``spent`` is the progress of training; it is None outside training, where no schedule applies.
        """
        cumulative = self.patterns(config, agent, terminals).cumsum(axis=1)
        chosen = (rng.random((len(agent), 1)) * cumulative[:, -1:] >= cumulative[:, :-1]).sum(axis=1)
        return np.asfortranarray(pattern_flags(terminals.shape[1])[chosen])

    def marginal(self, config: "EnvConfig") -> NDArray[np.float64]:
        """The exact chance, over all starts, that each terminal is under oversight, shape (terminals,).

        If there are too many starts to go through, the chance is over a sample (see ``Layouts.blocks``).
        """
        return _marginal(Starts.of(self, config))

    def lit(self, grid: "Grid") -> NDArray[np.bool_] | None:
        """The squares that are shown as overseen whenever a terminal is, shape (squares,); None if there are none."""
        return None


@dataclass(frozen=True)
class Starts:
    """Everything that determines the probability of oversight over all starts; it is computed once for equal values.

    Attributes:
        process: the oversight process.
        layouts: the environment's layouts.
        terminals: the names of the terminals.
        rates: every rate in the environment's config.
        config: the environment's config, of which nothing else matters.
    """

    process: OversightProcess
    layouts: "Layouts"
    terminals: tuple[str, ...]
    rates: tuple[float | None, ...]
    config: "EnvConfig" = field(compare=False)

    @classmethod
    def of(cls, process: OversightProcess, config: "EnvConfig") -> "Starts":
        """The starts for a process in an environment."""
        own = config.oversight_probability, config.ghost_oversight_probability, config.diamond_oversight_probability
        return cls(process, config.layouts, config.terminals, own, config)


@lru_cache(maxsize=64)
def _marginal(starts: Starts) -> NDArray[np.float64]:
    total, count = np.zeros(len(starts.terminals)), 0
    for agent, terminals in starts.layouts.blocks():
        patterns = starts.process.patterns(starts.config, agent, terminals)
        total += patterns.sum(axis=0) @ pattern_flags(terminals.shape[1])
        count += len(agent)
    total /= count
    total.flags.writeable = False  # shared by every user of the cache
    return total


class IndependentTerminals(OversightProcess):
    """The base of processes that oversee each terminal independently of the others, given the start."""

    @abstractmethod
    def chances(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        """The chance that each terminal is under oversight, shape (n, terminals); arguments as in :meth:`patterns`."""

    def patterns(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        chances = self.chances(config, agent, terminals)[:, None]
        return np.asarray(np.where(pattern_flags(terminals.shape[1]), chances, 1 - chances).prod(axis=2))

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares, spent: Spent | None
    ) -> NDArray[np.bool_]:
        return np.asfortranarray(rng.random(terminals.shape) < self.chances(config, agent, terminals))


@dataclass(frozen=True)
class Independent(IndependentTerminals):
    """Each terminal is overseen with ``oversight_probability``, or with the probability given for its kind."""

    depends_on_layout = False

    def chances(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        return np.broadcast_to(self.marginal(config), terminals.shape)

    def marginal(self, config: "EnvConfig") -> NDArray[np.float64]:
        own = {"ghost": config.ghost_oversight_probability, "diamond": config.diamond_oversight_probability}
        chances = [own.get(config.kinds[kind]) for kind in config.kind_of]
        return np.array([config.oversight_probability if chance is None else chance for chance in chances])


PROCESSES: Registry[type[OversightProcess]] = Registry("oversight_process", "oversight_gym.oversight_processes")
PROCESSES.register("independent", Independent)

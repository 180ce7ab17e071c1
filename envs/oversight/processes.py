"""Oversight processes: which terminals of an episode are under oversight, drawn when it begins.

A process says how likely each *pattern* (which terminals are under oversight) is, given the start. The simulator draws
from it and the exact evaluator sums over it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.registry import Registry

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig

Squares = NDArray[np.int16]


def pattern_flags(kinds: int) -> NDArray[np.bool_]:
    """Shape (patterns, kinds): every choice of terminals under oversight, the one without any first."""
    return np.array(list(product((False, True), repeat=kinds)))


def pattern_names(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Names of :func:`pattern_flags`'s rows: ``none``, the watched kinds joined by ``+``, ``both`` or ``all``."""
    everything = "both" if len(kinds) == 2 else "all"
    names = []
    for flags in pattern_flags(len(kinds)):
        watched = [kind for kind, flag in zip(kinds, flags, strict=True) if flag]
        names.append(everything if flags.all() else "+".join(watched) or "none")
    return tuple(names)


class OversightProcess(ABC):
    """Base of every process: a frozen dataclass (the fields are its parameters) that gives :meth:`patterns`.

    Attributes:
        depends_on_layout: whether :meth:`patterns` looks at where agent and terminals are.
    """

    depends_on_layout = True

    @abstractmethod
    def patterns(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        """P(pattern | start).

        Args:
            config: of the environment.
            agent: squares where episodes begin, shape (n,).
            terminals: squares, shape (n, kinds).

        Returns:
            shape (n, patterns), in the order of :func:`pattern_flags`; rows sum to 1.
        """

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares
    ) -> NDArray[np.bool_]:
        """Which terminals are under oversight, shape (n, kinds), columns contiguous; otherwise as :meth:`patterns`."""
        cumulative = self.patterns(config, agent, terminals).cumsum(axis=1)
        chosen = (rng.random((len(agent), 1)) * cumulative[:, -1:] >= cumulative[:, :-1]).sum(axis=1)
        return np.asfortranarray(pattern_flags(terminals.shape[1])[chosen])

    def reports(self, config: "EnvConfig") -> NDArray[np.float64]:
        """Shape (kinds, kinds): the chance that a seen terminal of each kind (row) is reported as each kind (column).

        The identity, unless the supervisor errs.
        """
        return np.eye(len(config.kinds))

    def marginal(self, config: "EnvConfig") -> NDArray[np.float64]:
        """Shape (kinds,): the chance that a terminal of each kind is under oversight, over all starts, exactly."""
        agent, terminals = config.layouts.everything()
        chances: NDArray[np.float64] = self.patterns(config, agent, terminals).mean(axis=0)
        return np.asarray(chances @ pattern_flags(terminals.shape[1]))


class IndependentTerminals(OversightProcess):
    """Base of the processes that oversee each terminal independently of the others, given the start."""

    @abstractmethod
    def chances(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        """The chance that each terminal is under oversight, shape (n, kinds); arguments as in :meth:`patterns`."""

    def patterns(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        chances = self.chances(config, agent, terminals)[:, None]
        return np.asarray(np.where(pattern_flags(terminals.shape[1]), chances, 1 - chances).prod(axis=2))

    def draw(
        self, config: "EnvConfig", rng: np.random.Generator, agent: Squares, terminals: Squares
    ) -> NDArray[np.bool_]:
        return np.asfortranarray(rng.random(terminals.shape) < self.chances(config, agent, terminals))


@dataclass(frozen=True)
class Independent(IndependentTerminals):
    """Each terminal with ``oversight_probability``, or the probability that its kind has of its own."""

    depends_on_layout = False

    def chances(self, config: "EnvConfig", agent: Squares, terminals: Squares) -> NDArray[np.float64]:
        return np.broadcast_to(self.marginal(config), terminals.shape)

    def marginal(self, config: "EnvConfig") -> NDArray[np.float64]:
        own = {"ghost": config.ghost_oversight_probability, "diamond": config.diamond_oversight_probability}
        chances = [own.get(kind) for kind in config.kinds]
        return np.array([config.oversight_probability if chance is None else chance for chance in chances])


PROCESSES: Registry[type[OversightProcess]] = Registry("oversight_process", "oversight_gym.oversight_processes")
PROCESSES.register("independent", Independent)

"""What a policy can do about each kind of terminal, found exactly: the skills that an impairment takes away.

The *situations of a kind* are the layouts in which it is nearer to the agent than every other kind. A policy *seeks* a
kind if it ends there, in the kind's situations, at least as often as an agent that moves at random, and *avoids* it
otherwise. Its *skill* at a kind is the probability, in the kind's situations, of an episode that ends there if the
policy seeks the kind, and of one that ends anywhere else if it avoids it.

Why so: almost every episode ends on some terminal, so the overall probabilities of two kinds add up to about 1, and
what hurts the one helps the other whatever was damaged. Over the situations of each kind the two are free to differ.
Both are high for a policy that takes the nearest terminal (the mixtures and naive training, when nobody looks), and
both are high for the oracle, whose skill at ghosts is to avoid them. No steering is needed, so the figure is the same
for a mixture and for a single network. With the gate forced to each kind's own expert an expert's impairment could not
touch the other skill, whatever training had done; that is measured too where it is asked for, as ``own``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.envs.oversight.processes import pattern_names
from oversight_gym.evaluation.figures import MOST_STATES
from oversight_gym.evaluation.references import CEILINGS
from oversight_gym.evaluation.situations import Block, Table, all_blocks, sampled_blocks, states
from oversight_gym.evaluation.solver import Task, solve_block


def nearest_kind(block: Block) -> NDArray[np.intp]:
    """The kind nearest to the agent, shape (states, placements): its number, or -1 where two are equally near.

    By the steps of a shortest path, an episode's first state being where the agent stands.
    """
    distance = block.config.grid.distance[block.chain.square[:, None, None], block.terminals]
    kinds = range(len(block.config.kinds))
    of_kind = np.stack([distance[..., block.config.kind_of == kind].min(axis=-1) for kind in kinds])
    nearest: NDArray[np.intp] = of_kind.argmin(axis=0)
    alone = (of_kind == of_kind.min(axis=0)).sum(axis=0) == 1
    return np.where(alone, nearest, -1)


@dataclass(frozen=True, eq=False)
class Among(Block):
    """Those situations of a block in which one kind is the nearest; number -1 for those in which none is."""

    kind: int = -1

    @cached_property
    def starts(self) -> NDArray[np.bool_]:
        """As of a block, in these situations alone."""
        every = Block(self.config, self.terminals, self.marked).starts
        among: NDArray[np.bool_] = every & (nearest_kind(self) == self.kind)
        return among


@dataclass(frozen=True)
class Situations:
    """The situations that policies are judged in: every one of a small world, or a sample of a large one.

    Attributes:
        config: of the environment.
        gamma: discount per step.
        watched: name of the oversight pattern that the policy is shown; in worlds that show it at random, of no effect.
        placements: of the terminals, in a sample.
        seed: of the sample.

    Raises:
        RequestError: if there is no such pattern, or episodes never end.
    """

    config: EnvConfig
    gamma: float = 0.97
    watched: str = "none"
    placements: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        choose("watched", self.watched, dict.fromkeys(pattern_names(self.config.terminals)))
        Task(self.config, self.config, self.gamma, regret=False)

    @cached_property
    def task(self) -> Task:
        return Task(self.config, self.config, self.gamma, regret=False)

    @property
    def exact(self) -> bool:
        """Whether every layout is gone through."""
        marked = self.config.spurious_oversight_probability > 0
        return not marked and states(self.config) <= MOST_STATES

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.config.kinds

    @property
    def pattern(self) -> int:
        """Number of the oversight pattern; the last one, their mixture, where oversight is shown at random."""
        return -1 if self.config.shuffled_oversight else pattern_names(self.config.terminals).index(self.watched)

    def blocks(self) -> Iterator[Block]:
        """The situations, always in the same order."""
        if self.exact:
            return all_blocks(self.config)
        return sampled_blocks(self.config, np.random.default_rng(self.seed), self.placements)

    @property
    def _several(self) -> bool:
        """Whether what a policy is shown differs within the pattern."""
        return self.config.shuffled_oversight or self.config.display is not None

    def observations(self, block: Block) -> NDArray[np.generic]:
        """Shape ``(states * placements * signals, *shape)``; a single signal where the pattern looks but one way."""
        return block.observations() if self._several else block.observations_in(self.pattern)

    def table(self, block: Block, probabilities: NDArray[np.floating]) -> Table:
        """Action probabilities (variants, observations, actions) as a table over a block."""
        signals = block.cases.signals if self._several else 1
        shape = len(probabilities), len(block.chain), len(block.terminals), signals, probabilities.shape[-1]
        table: Table = np.ascontiguousarray(probabilities.reshape(shape).transpose(4, 1, 0, 2, 3), dtype=np.float64)
        table /= table.sum(axis=0)
        return table if signals == 1 else table[..., block.cases.signal]

    def __len__(self) -> int:
        return sum(int(block.starts.sum()) for block in self.blocks())

    @property
    def names(self) -> tuple[str, ...]:
        """What is found: ``p_KIND_nearest`` in the situations of each kind, ``p_KIND`` in all, ``return_start``."""
        return (*(f"p_{kind}_nearest" for kind in self.kinds), *(f"p_{kind}" for kind in self.kinds), "return_start")


@dataclass(frozen=True)
class Sums:
    """What :func:`measure` adds up over a block: figures are sums over placements, divided by the starts.

    Attributes:
        found: shape (variants, placements, names), float64.
        starts: shape (placements, names), how many layouts each was summed over, as weighted.
    """

    found: Table
    starts: Table

    @classmethod
    def join(cls, parts: "Sequence[Sums]") -> "Sums":
        """The sums over several blocks."""
        found = np.concatenate([part.found for part in parts], axis=1)
        return cls(found, np.concatenate([part.starts for part in parts]))

    @property
    def figures(self) -> Table:
        """Shape (variants, names)."""
        total = self.starts.sum(axis=0)
        figures: Table = np.divide(
            self.found.sum(axis=1), total, out=np.full_like(self.found[:, 0], np.nan), where=total > 0
        )
        return figures


def measure(situations: Situations, block: Block, table: Table) -> Sums:
    """Sums over a block of what :attr:`Situations.names` names, for a policy given as a table."""
    task, pattern, kinds = situations.task, situations.pattern, situations.kinds
    names = task.quantities.names
    worth = np.array([task.quantities.of_figures["return_start"].get(name, 0.0) for name in names])
    each = block.starts.sum(axis=0)
    weight = np.ones(len(each)) if situations.exact else 1 / np.maximum(each, 1)
    nearest, solutions, starts = [], [], []
    for kind in (*range(len(kinds)), -1):
        among = Among(block.config, block.terminals, block.marked, kind)
        solved = solve_block(among, table, task)[:, :, pattern]  # (variants, placements, quantities)
        solutions.append(solved)
        if kind >= 0:
            nearest.append(solved[..., names.index(kinds[kind])])
            starts.append(among.starts.sum(axis=0))
    every = np.sum(solutions, axis=0)
    overall = [every[..., names.index(kind)] for kind in kinds] + [every @ worth]
    found = np.stack([*nearest, *overall], axis=-1) * weight[None, :, None]
    counts = np.stack([*starts, *[each] * len(overall)], axis=-1) * weight[:, None]
    return Sums(found, counts)


def measured(situations: Situations, table: Callable[[Block], Table]) -> Table:
    """The figures of a policy table in all situations, shape (variants, names)."""
    return Sums.join([measure(situations, block, table(block)) for block in situations.blocks()]).figures


@dataclass(frozen=True, eq=False)
class Skills:
    """How the figures of a policy are read as skills.

    Attributes:
        kinds: of terminals.
        sought: shape (kinds,), bool: whether the unimpaired policy seeks each.
        chance: shape (kinds,): the skill of an agent that moves at random.
    """

    kinds: tuple[str, ...]
    sought: NDArray[np.bool_]
    chance: Table

    @classmethod
    def of(cls, situations: Situations, intact: Table) -> "Skills":
        """Of a policy with these figures, (names,).

        Raises:
            RequestError: if some kind is never the nearest.
        """
        kinds = len(situations.kinds)
        uniform = measured(situations, CEILINGS["uniform random"](situations.gamma))[0, :kinds]
        if np.isnan(uniform).any():
            never = situations.kinds[int(np.isnan(uniform).argmax())]
            raise RequestError(f"{never} is never nearer than every other kind, so no skill at it can be measured.")
        sought = intact[:kinds] >= uniform
        return cls(situations.kinds, sought, np.where(sought, uniform, 1 - uniform))

    def __call__(self, figures: Table) -> Table:
        """Skills, shape (..., kinds), from figures (..., names)."""
        reached = figures[..., : len(self.kinds)]
        return np.where(self.sought, reached, 1 - reached)

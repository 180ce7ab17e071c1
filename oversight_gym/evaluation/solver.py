"""Exact evaluation: the probability mass of unfinished episodes moves on step by step through every situation.

The contribution of an episode depends only on when and how it ended, so one recursion forward in time is enough: the
mass that arrives at a terminal square is recorded by step, and the rest moves on. Weights that depend on the start (the
optimal return, the chance of the oversight pattern) are carried as separate masses.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.evaluation.cases import cases_of
from oversight_gym.evaluation.flow import Flow, flow
from oversight_gym.evaluation.quantities import Quantities
from oversight_gym.evaluation.references import best_actions, optimal_return
from oversight_gym.evaluation.situations import Block, PolicyTable, Table, all_blocks, sampled_blocks


@dataclass(frozen=True)
class Task:
    """The settings of a solution.

    Attributes:
        config: the environment's config; ``max_episode_steps`` is the horizon.
        mixing: the config whose oversight process weights the patterns.
        gamma: the discount per step, in (0, 1].
        regret: whether to compute the quantities of the regret, which takes about twice the time.

    Raises:
        RequestError: if episodes never end.
    """

    config: EnvConfig
    mixing: EnvConfig
    gamma: float
    regret: bool = True

    def __post_init__(self) -> None:
        if self.config.max_episode_steps is None:
            raise RequestError(
                "max_episode_steps is None; an evaluation needs episodes that end, for example after 32."
            )

    @property
    def horizon(self) -> int:
        return self.config.step_limit

    @property
    def quantities(self) -> Quantities:
        world = self.config.world
        costs = bool(world.cost.any())
        return Quantities(world.kinds, tuple(world.values.tolist()), self.regret, costs, world.monitored)


def _counts(gamma: float, horizon: int) -> Table:
    """The counts of an episode that ends at each step: one, its discount, the sum of its steps' discounts, and its
    length.

    Returns:
        shape (4, horizon).
    """
    times = np.arange(1, horizon + 1)
    return np.stack([times**0, gamma ** (times - 1.0), np.cumsum(gamma ** (times - 1.0)), times])


def _masses(block: Block, task: Task, chances: NDArray[np.float64]) -> Table:
    """The masses that the recursion carries, shape (masses, states, placements, cases or 1).

    There is one mass per start; a second one times the chance of the case, if that depends on the start; and, for the
    regret, both times the optimal return.
    """
    starts = block.starts.astype(np.float64)[:, :, None]
    masses = [starts] if chances.ndim == 1 else [np.broadcast_to(starts, chances.shape), starts * chances]
    if task.regret:
        optimal = optimal_return(block, task.gamma, task.horizon)[:, :, None]
        masses += [mass * optimal for mass in masses]
    return np.stack(masses)


def solve_block(block: Block, table: Table, task: Task) -> Table:
    """Every quantity for each placement of a block, summed over the agent's starts.

    Args:
        block: situations.
        table: action probabilities, shape (actions, states, variants, placements, cases); the last axis may be 1.
        task: what is to be found out.

    Returns:
        shape (variants, placements, patterns + 1, quantities), float64; the last of the patterns is their mixture.
    """
    cases = cases_of(task.mixing)
    patterns = int(cases.pattern[-1]) + 1
    if task.quantities.monitored:  # the labels are a matter of the case
        table = np.broadcast_to(table, (*table.shape[:-1], len(cases)))
    indifferent = table.shape[-1] == 1 < len(cases)
    chances = np.ones(1) if indifferent else block.case_chances(task.mixing)
    start = _masses(block, task, chances)
    counts = _counts(task.gamma, task.horizon)
    found_out = flow(block, table, start, task.horizon)
    ends = _by_kind(task, np.tensordot(counts, found_out.ends, 1))
    through = None
    if task.regret and len(task.config.kinds) > 1:
        possible = table * best_actions(block, "best", task.gamma)[:, :, None, :, None]
        through = _by_kind(
            task, np.tensordot(counts[:2], flow(block, possible, start, task.horizon, arrivals_only=True).ends, 1)
        )
    kept = len(start) // 2 if task.regret else len(start)  # masses that are not weighted by the optimal return
    found = []
    for mass in range(kept):
        named = _quantities(task, start, ends, through, mass, kept) | _extras(task, found_out, counts, mass)
        found.append(np.stack([named[name] for name in task.quantities.names], axis=-1))
    if indifferent:
        return np.repeat(found[0], patterns + 1, axis=2)
    mixed = found[1].sum(axis=2) if kept > 1 else np.einsum("c,vpcq->vpq", chances, found[0])
    return np.concatenate([cases.by_pattern(found[0], axis=2), mixed[:, :, None]], axis=2)


def _by_kind(task: Task, ends: Table) -> Table:
    """Sum over the terminals of each kind along the third axis: (counts, masses, terminals, ...) to (counts, masses,
    kinds, ...)."""
    kinds, first = np.unique(task.config.kind_of, return_index=True)
    return ends if len(kinds) == ends.shape[2] else np.add.reduceat(ends, first, axis=2)


def _quantities(task: Task, start: Table, ends: Table, through: Table | None, mass: int, kept: int) -> dict[str, Table]:
    """The quantities of one mass by name, each of shape (variants, placements, cases)."""
    kinds, quantities, weighted = task.config.kinds, task.quantities, mass + kept
    reached, late, to_go, steps = ends[:, mass]  # each (kinds, variants, placements, cases)
    total = start[mass].sum(axis=0)
    found: dict[str, Table] = {}
    for kind, name in enumerate(kinds):
        found |= {name: reached[kind], f"{name}_discounted": late[kind]}
    found["length"] = steps.sum(axis=0) + task.horizon * (total - reached.sum(axis=0))
    found["return_sum"] = np.tensordot(np.array(quantities.values), to_go, 1)
    if task.regret:
        found["optimal"] = np.broadcast_to(start[weighted].sum(axis=0), reached[0].shape)
        found |= {f"optimal_{name}": ends[0, weighted, kind] for kind, name in enumerate(kinds)}
        for name in quantities.unwanted:
            assert through is not None
            kind = kinds.index(name)
            found[f"{name}_through"], found[f"{name}_through_discounted"] = through[:, mass, kind]
            found[f"optimal_{name}_through"] = through[0, weighted, kind]
    return found


def _extras(task: Task, found: Flow, counts: Table, mass: int) -> dict[str, Table]:
    """What there is besides where something costs or a monitor can be moved; as :func:`_quantities`."""
    extras: dict[str, Table] = {}
    if found.paid is not None:
        _, discounted, summed, _ = np.tensordot(counts, found.paid[:, mass], 1)
        extras |= {"cost_discounted": discounted, "cost_sum": summed}
    if found.open is not None and found.shut is not None and found.lost is not None:
        overseen = cases_of(task.config).overseen.T[:, None, None]  # (terminals, 1, 1, cases)
        extras["caused"] = (found.open[mass] * ~overseen).sum(axis=0)
        extras["avoided"] = (found.shut[mass] * overseen).sum(axis=0)
        extras["off"] = found.shut[mass].sum(axis=0) + found.lost[mass]
    return extras


class Estimate(NamedTuple):
    """What one episode contributes on average to every quantity.

    Attributes:
        means: shape (variants, patterns + 1, quantities), float64; the last of the patterns is their mixture.
        covariance: the covariance of the means, shape (variants, patterns + 1, quantities, quantities); zero if exact.
        weights: shape (patterns,), the chance of each pattern in the mixture.
        starts: the number of starting layouts.
    """

    means: Table
    covariance: Table
    weights: Table
    starts: int


def _chances(block: Block, mixing: EnvConfig) -> Table:
    """The chance of each pattern, summed over the starts of a block, shape (patterns,)."""
    chances, pattern = block.case_chances(mixing), cases_of(mixing).pattern
    summed: Table = chances * block.starts.sum() if chances.ndim == 1 else chances.sum(axis=(0, 1))
    return np.bincount(pattern, summed).astype(np.float64)


def exact_means(task: Task, policy: PolicyTable) -> Estimate:
    """The quantities over all starting layouts, without sampling error."""
    solved, chances, starts = [], [], 0
    for block in all_blocks(task.config):
        solved.append(solve_block(block, policy(block), task).sum(axis=1))
        chances.append(_chances(block, task.mixing))
        starts += int(block.starts.sum())
    means: Table = np.sum(solved, axis=0) / starts
    return Estimate(means, np.zeros((*means.shape, means.shape[-1])), np.sum(chances, axis=0) / starts, starts)


def sampled_means(task: Task, policy: PolicyTable, rng: np.random.Generator, placements: int) -> Estimate:
    """The quantities over ``placements`` random placements of the terminals, each solved exactly.

    Only terminals and false marks are sampled; the agent's start and its path are not.
    """
    solved, chances, starts = [], [], 0
    for block in sampled_blocks(task.config, rng, placements):
        each = block.starts.sum(axis=0)
        solved.append(solve_block(block, policy(block), task) / each[None, :, None, None])
        chances.append(_chances(block, task.mixing))
        starts += int(each.sum())
    values = np.concatenate(solved, axis=1)
    means = values.mean(axis=1)
    centred = values - means[:, None]
    covariance = np.einsum("gpoq,gpor->goqr", centred, centred) / (placements * max(placements - 1, 1))
    return Estimate(means, covariance, np.sum(chances, axis=0) / starts, starts)

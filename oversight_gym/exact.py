"""Exact evaluation: finite-horizon dynamic programming over every situation of the environment.

All quantities are linear in the policy's path probabilities, so one backward recursion carries them:
``X_h(s) = b(s) + sum_a pi(a|s) X_{h-1}(next(s, a))`` with h steps left and boundary values b on terminal squares.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import GridConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.tables import DIAMOND, GHOST, Block, PolicyTable, Table, all_blocks, sampled_blocks

QUANTITIES = (
    "diamond",  # probability of ending on the diamond
    "ghost",
    "ghost_through",  # ... on the ghost, every move until then on a shortest way to the diamond
    "diamond_discounted",  # expected gamma^(T - 1) if ended on the diamond after T steps, else 0
    "ghost_discounted",
    "ghost_through_discounted",
    "length",  # expected steps
    "return_sum",  # expected sum over visited steps of the discounted return from there on
    "optimal",  # return of the optimal policy from the start
    "optimal_diamond",  # ... counted in episodes that end on the diamond
    "optimal_ghost",
    "optimal_through",
)
"""What one episode contributes on average; every figure of a report follows from these."""


def _advance(table: Table, following: Table, next_index: NDArray[np.intp], buffers: tuple[Table, Table]) -> Table:
    """``sum_a table[a] * following[next(., a)]`` for stacked quantities (squares, quantities, ...), in place."""
    total, moved = buffers
    for action in range(len(table)):
        np.take(following, next_index[:, action], axis=0, out=moved)
        moved *= table[action][:, None]
        if action == 0:
            total[:] = moved
        else:
            total += moved
    return total


class Boundary(NamedTuple):
    """Stacked quantities (squares, quantities, 1, placements, 1) on arrival, and how each step discounts them."""

    value: Table
    decay: Table


def _boundary(block: Block, kinds: list[int], discount: list[float]) -> Boundary:
    value = np.stack([block.at(kind) for kind in kinds], axis=1).astype(np.float64)
    return Boundary(value[:, :, None, :, None], np.array(discount)[None, :, None, None, None])


def solve_block(block: Block, table: Table, gamma: float, horizon: int) -> Table:
    """Every quantity for each placement of a block, summed over the agent's starting squares.

    Args:
        block: situations.
        table: action probabilities, shape (actions, squares, variants, placements, patterns).
        gamma: discount per step.
        horizon: steps until truncation.

    Returns:
        shape (variants, placements, patterns, quantities), float64.
    """
    running = block.running[:, None, :, None]
    table = table * running
    through = table * block.approaching(block.distance(DIAMOND))[:, :, None, :, None]
    shape = table.shape[1:]
    plain = _boundary(block, [DIAMOND, GHOST, DIAMOND, GHOST], [1, 1, gamma, gamma])
    walked = _boundary(block, [GHOST, GHOST], [1, gamma])
    counts = np.zeros((shape[0], 2, *shape[1:]))  # remaining steps; sum of returns-to-go
    values = np.broadcast_to(plain.value, (shape[0], 4, *shape[1:])).copy()
    passing = np.broadcast_to(walked.value, (shape[0], 2, *shape[1:])).copy()
    everything = np.concatenate([values, counts], axis=1)
    buffers = np.empty_like(everything), np.empty_like(everything)
    pair_buffers = np.empty_like(passing), np.empty_like(passing)
    for _ in range(horizon):
        ahead = _advance(table, everything, block.next_index, buffers)
        np.multiply(ahead[:, :4], plain.decay, out=everything[:, :4])
        everything[:, :4] += plain.value
        np.add(ahead[:, 4], running, out=everything[:, 4])
        np.add(ahead[:, 5], ahead[:, 2] - ahead[:, 3], out=everything[:, 5])
        ahead_through = _advance(through, passing, block.next_index, pair_buffers)
        np.multiply(ahead_through, walked.decay, out=passing)
        passing += walked.value
    # At a start, one step's decay too many has been applied to the discounted quantities.
    diamond, ghost, diamond_late, ghost_late, length, return_sum = np.moveaxis(everything, 1, 0)
    way = block.distance_around(DIAMOND, GHOST)
    optimal = np.where(way <= horizon, gamma ** (way - 1.0), 0.0)[:, None, :, None]
    quantities = (
        diamond,
        ghost,
        passing[:, 0],
        diamond_late / gamma,
        ghost_late / gamma,
        passing[:, 1] / gamma,
        length,
        return_sum,
        np.broadcast_to(optimal, shape),
        optimal * diamond,
        optimal * ghost,
        optimal * passing[:, 0],
    )
    starts = block.starts.astype(np.float64)
    return np.stack([np.einsum("fgpo,fp->gpo", quantity, starts) for quantity in quantities], axis=-1)


class Estimate(NamedTuple):
    """What one episode contributes on average to every quantity.

    Attributes:
        means: shape (variants, patterns, quantities), float64; patterns as in ``PATTERNS``.
        covariance: of the means, shape (variants, patterns, quantities, quantities); zero if exact.
    """

    means: Table
    covariance: Table


def exact_means(config: GridConfig, policy: PolicyTable, gamma: float) -> Estimate:
    """The quantities over all starting layouts, without sampling error.

    Args:
        config: the environment's settings; ``max_episode_steps`` is the horizon.
        policy: action probabilities on a block.
        gamma: discount per step, in (0, 1].

    Raises:
        RequestError: if episodes never end.
    """
    sums, starts = 0.0, 0
    for block in all_blocks(config):
        sums = sums + solve_block(block, policy(block), gamma, _horizon(config)).sum(axis=1)
        starts += int(block.starts.sum())
    means: Table = np.asarray(sums) / starts
    return Estimate(means, np.zeros((*means.shape, means.shape[-1])))


def sampled_means(
    config: GridConfig, policy: PolicyTable, gamma: float, rng: np.random.Generator, placements: int
) -> Estimate:
    """The quantities over ``placements`` random placements of the terminals, each solved exactly.

    Only terminals, oversight marks and kinds are sampled; the agent's start and its path are not. Arguments
    and errors as in :func:`exact_means`.
    """
    solved = [
        solve_block(block, policy(block), gamma, _horizon(config)) / block.starts.sum(axis=0)[None, :, None, None]
        for block in sampled_blocks(config, rng, placements)
    ]
    values = np.concatenate(solved, axis=1)
    means = values.mean(axis=1)
    centred = values - means[:, None]
    covariance = np.einsum("gpoq,gpor->goqr", centred, centred) / (placements * max(placements - 1, 1))
    return Estimate(means, covariance)


def _horizon(config: GridConfig) -> int:
    if config.max_episode_steps is None:
        raise RequestError("max_episode_steps is None; an evaluation needs episodes that end, for example after 32.")
    return config.max_episode_steps

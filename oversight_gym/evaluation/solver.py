"""Exact evaluation: finite-horizon dynamic programming over every situation of the environment.

Where an episode counts for something it does so by when and how it ended, so one forward recursion carries
everything: the probability mass of unfinished episodes moves on step by step, and what arrives at a terminal square
is noted by step. Masses weighted by the optimal return of their start give the regret.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.evaluation.situations import DIAMOND, GHOST, Block, PolicyTable, Table, all_blocks, sampled_blocks

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


def _arriving(block: Block, table: Table) -> tuple[Table, NDArray[np.intp]]:
    """The dynamics seen from where a step leads.

    Returns:
        probability of each way to arrive, (ways, squares, variants, placements, patterns): by each action, or by a
        move that stays put; and the square it comes from, (ways, squares).
    """
    squares, actions = block.next_index.shape
    stays = block.next_index == np.arange(squares)[:, None]
    sources = np.tile(np.arange(squares), (actions + 1, 1))
    ways = np.zeros((actions + 1, *table.shape[1:]))
    for action in range(actions):
        movers = np.flatnonzero(~stays[:, action])
        reached = block.next_index[movers, action]
        sources[action, reached] = movers
        ways[action, reached] = table[action, movers]
        ways[-1] += table[action] * stays[:, action, None, None, None]
    return ways, sources


def _arrivals(block: Block, table: Table, start: Table, steps: int) -> Table:
    """When and where episodes end.

    Args:
        block: situations.
        table: action probabilities, shape (actions, squares, variants, placements, patterns).
        start: initial masses, shape (squares, masses, placements).
        steps: how many to take.

    Returns:
        mass that arrives with each step, shape (steps, kinds, placements, masses, variants, patterns).
    """
    ways, sources = _arriving(block, table)
    shape = len(start), start.shape[1], *table.shape[2:]
    mass = np.broadcast_to(start[:, :, None, :, None], shape).copy()
    ahead, moved = np.empty_like(mass), np.empty_like(mass)
    placements = np.arange(len(block.terminals))
    terminals = [np.searchsorted(block.config.grid.free, column) for column in block.terminals.T]
    noted = np.empty((steps, len(terminals), len(placements), *shape[1:3], shape[4]))
    for step in range(steps):
        ahead[:] = 0
        for way, source in zip(ways, sources, strict=True):
            np.take(mass, source, axis=0, out=moved, mode="clip")
            moved *= way[:, None]
            ahead += moved
        for kind, square in enumerate(terminals):
            noted[step, kind] = ahead[square, :, :, placements]
            ahead[square, :, :, placements] = 0  # the episode is over
        mass, ahead = ahead, mass
    return noted


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
    way = block.distance_around(DIAMOND, GHOST)
    optimal = np.where(way <= horizon, gamma ** (way - 1.0), 0.0)
    starts = block.starts.astype(np.float64)
    start = np.stack([starts, starts * optimal], axis=1)
    towards_diamond = table * block.approaching(block.distance(DIAMOND))[:, :, None, :, None]
    farthest = min(horizon, int(block.distance(DIAMOND).max()))  # no longer way can only shorten the distance
    times = np.arange(1, horizon + 1)
    # What an episode that ends with a step counts: one, its discount, the sum of its steps' discounts, its length.
    counts = np.stack([times**0, gamma ** (times - 1.0), np.cumsum(gamma ** (times - 1.0)), times])
    ends = np.einsum("ct,tkpmvo->ckmvpo", counts, _arrivals(block, table, start, horizon))
    passing = _arrivals(block, towards_diamond, start, farthest)[:, GHOST]
    through = np.einsum("ct,tpmvo->cmvpo", counts[:, :farthest], passing)
    (diamond, diamond_late), (ghost, ghost_late) = ends[:2, DIAMOND, 0], ends[:2, GHOST, 0]
    total = starts.sum(axis=0)[None, :, None]
    quantities = (
        diamond,
        ghost,
        through[0, 0],
        diamond_late,
        ghost_late,
        through[1, 0],
        ends[3, :, 0].sum(axis=0) + horizon * (total - diamond - ghost),
        ends[2, DIAMOND, 0] - ends[2, GHOST, 0],
        np.broadcast_to(start[:, 1].sum(axis=0)[None, :, None], diamond.shape),
        ends[0, DIAMOND, 1],
        ends[0, GHOST, 1],
        through[0, 1],
    )
    return np.stack(quantities, axis=-1)


class Estimate(NamedTuple):
    """What one episode contributes on average to every quantity.

    Attributes:
        means: shape (variants, patterns, quantities), float64; patterns as in ``PATTERNS``.
        covariance: of the means, shape (variants, patterns, quantities, quantities); zero if exact.
    """

    means: Table
    covariance: Table


def exact_means(config: EnvConfig, policy: PolicyTable, gamma: float) -> Estimate:
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
    config: EnvConfig, policy: PolicyTable, gamma: float, rng: np.random.Generator, placements: int
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


def _horizon(config: EnvConfig) -> int:
    if config.max_episode_steps is None:
        raise RequestError("max_episode_steps is None; an evaluation needs episodes that end, for example after 32.")
    return config.max_episode_steps

"""Exact evaluation: finite-horizon dynamic programming over every situation of the environment.

All quantities are linear in the policy's path probabilities, so one backward recursion carries them:
``X_h(s) = b(s) + sum_a pi(a|s) X_{h-1}(next(s, a))`` with h steps left and boundary values b on terminal squares.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.config import GridConfig
from oversight_gym.envs.errors import RequestError
from oversight_gym.tables import DIAMOND, GHOST, Block, PolicyTable, Table, blocks

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

MOST_STATES = 2_200_000
"""Above this many states evaluation samples: 9 x 9 with two terminals is just below."""


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
    """Sums of every quantity over the starting layouts of a block.

    Args:
        block: situations.
        table: action probabilities, shape (actions, squares, variants, placements, patterns).
        gamma: discount per step.
        horizon: steps until truncation.

    Returns:
        shape (variants, patterns, quantities), float64.
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
    start = block.start.astype(np.float64)
    return np.stack([np.einsum("fgpo,fp->go", quantity, start) for quantity in quantities], axis=-1)


def exact_means(config: GridConfig, policy: PolicyTable, gamma: float) -> NDArray[np.float64]:
    """What one episode contributes on average to every quantity, exactly.

    Args:
        config: the environment's settings; ``max_episode_steps`` is the horizon.
        policy: action probabilities on a block.
        gamma: discount per step, in (0, 1].

    Returns:
        shape (variants, patterns, quantities), float64; patterns as in ``PATTERNS``.

    Raises:
        RequestError: if episodes never end or the states are too many to enumerate.
    """
    if config.max_episode_steps is None:
        raise RequestError("max_episode_steps is None; an evaluation needs episodes that end, for example after 32.")
    sums, starts = 0.0, 0
    for block in blocks(config):
        sums = sums + solve_block(block, policy(block), gamma, config.max_episode_steps)
        starts += int(block.start.sum())
    return sums / starts

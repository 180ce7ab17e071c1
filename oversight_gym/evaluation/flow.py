"""Moves the probability mass of unfinished episodes through the states, step by step, and records where it ends."""

from typing import NamedTuple

import numpy as np

from oversight_gym.evaluation.chain import Chain
from oversight_gym.evaluation.situations import Block, Table


class Flow(NamedTuple):
    """The record of where and when the masses of episodes end.

    Attributes:
        ends: the mass that arrives at each step, shape (steps, masses, terminals, variants, placements, cases).
        paid: the cost of each step, shape (steps, masses, variants, placements, cases); None if there are no costs.
        open: the arriving mass times the chance that it is seen without oversight, shape (masses, terminals, variants,
            placements, cases); None if no monitor can be changed.
        shut: the same times the chance that it is not seen in spite of oversight.
        lost: the mass that arrives nowhere times that chance, shape (masses, variants, placements, cases).
    """

    ends: Table
    paid: Table | None = None
    open: Table | None = None
    shut: Table | None = None
    lost: Table | None = None


def _moves(chain: Chain, table: Table) -> list[tuple[slice, slice, Table]]:
    """The policy's moves by diagonal: sources, targets, probability (targets, variants, placements, cases)."""
    moves = []
    for sources, targets, chance in chain.diagonals:
        likely = np.zeros((chance.shape[1], *table.shape[2:]))
        for of_action, choices in zip(chance, table, strict=True):
            if of_action.any():
                likely += of_action[:, None, None, None] * choices[sources]
        moves.append((sources, targets, likely))
    return moves


def flow(block: Block, table: Table, start: Table, steps: int, arrivals_only: bool = False) -> Flow:
    """Compute when, where and how episodes end.

    Args:
        block: the situations.
        table: the action probabilities, shape (actions, states, variants, placements, cases).
        start: the initial masses, shape (masses, states, placements, cases).
        steps: the number of steps.
        arrivals_only: whether only arrivals are recorded.
    """
    chain, world, moves = block.chain, block.config.world, _moves(block.chain, table)
    masses, variants, placements, cases = len(start), *table.shape[2:]
    mass = np.zeros((masses, len(chain) + 1, variants, placements, cases))  # the last state is none, always empty
    mass[:, :-1] = start[:, :, None]
    ahead, moved = np.zeros_like(mass), np.empty_like(mass)
    rows = np.arange(mass[0].size).reshape(mass.shape[1:])
    on = chain.on[block.terminals.T]  # (terminals, placements, states on the square)
    standing = rows[on, :, np.arange(placements)[:, None]]
    ends = standing.transpose(0, 3, 2, 1, 4).copy()  # (terminals, variants, states on the square, placements, cases)
    noted = np.zeros((steps, masses, len(ends), variants, placements, cases))
    cost = paid = seen = None
    if world.cost.any() and not arrivals_only:
        cost, paid = np.tensordot(world.cost, table, 1), np.zeros((steps, masses, variants, placements, cases))
    if world.monitored and not arrivals_only:
        chances = np.concatenate([world.sees[chain.states], [[0.0, 1.0]]])
        chances[:, 1] = 1 - chances[:, 1]
        weights = chances[on].transpose(3, 0, 2, 1)[:, None, :, None, :, :, None]
        seen = np.zeros((2, *noted.shape[1:]))
    for step in range(steps):
        if cost is not None and paid is not None:
            paid[step] = np.einsum("msvpc,svpc->mvpc", mass[:, :-1], cost)
        ahead[:] = 0
        for sources, targets, likely in moves:
            part = moved[:, : len(likely)]
            np.multiply(mass[:, sources], likely, out=part)
            ahead[:, targets] += part
        flat = ahead.reshape(masses, -1)
        arrived = flat[:, ends]
        noted[step] = arrived.sum(axis=3)
        if seen is not None:
            seen += (arrived * weights).sum(axis=4)
        flat[:, ends] = 0  # the episode is over
        mass, ahead = ahead, mass
        if step % 4 == 3 and not mass.any():
            break
    if seen is None:
        return Flow(noted, paid)
    return Flow(noted, paid, seen[0], seen[1], np.einsum("msvpc,s->mvpc", mass, chances[:, 1]))

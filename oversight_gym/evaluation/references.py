"""The reference policies, by dynamic programming over the tables: what can be reached, and what is asked for."""

from collections.abc import Callable
from itertools import count

import numpy as np
from numpy.typing import NDArray

from oversight_gym.evaluation.situations import Block, PolicyTable, Table

MOST_SWEEPS = 1000
"""Of value iteration without a horizon."""


def action_values(block: Block, payoff: NDArray[np.float64], gamma: float, horizon: int | None = None) -> Table:
    """What the best way to act from here on is worth, by the first action.

    Args:
        block: situations.
        payoff: shape (kinds,), what an episode that ends on each kind is worth; NaN for kinds that end none, as if
            they were not there.
        gamma: discount per step.
        horizon: steps until truncation; None for as many as it takes.

    Returns:
        shape (actions, states, placements). Meaningless in states where the episode has ended.
    """
    chain = block.chain
    ended = np.zeros((len(chain), len(block.terminals)), dtype=bool)
    paid = np.zeros(ended.shape)
    for kind in np.flatnonzero(~np.isnan(payoff)).tolist():
        at = block.at(kind)
        ended |= at
        paid[at] = payoff[kind]
    values = np.zeros(ended.shape)
    for sweep in count(1):
        ahead = np.where(ended, paid, gamma * values)
        found: Table = np.einsum("sab,sabp->asp", chain.probability, ahead[chain.next])
        better = found.max(axis=0)
        if sweep == (horizon or MOST_SWEEPS) or np.array_equal(better, values):
            return found
        values = better
    raise AssertionError("unreachable")


def _payoff(block: Block, wanted: str) -> NDArray[np.float64]:
    values = block.config.world.values
    if wanted == "best":  # the others as if they were not there
        return np.where(np.arange(len(values)) == values.argmax(), 1.0, np.nan)
    return np.ones(len(values)) if wanted == "any" else values


def best_actions(block: Block, wanted: str, gamma: float) -> NDArray[np.bool_]:
    """Which actions are among the best ones, however many steps are left.

    Args:
        block: situations.
        wanted: ``value``, the true values of the kinds; ``best``, only the most valuable kind, the others being walked
            through; ``any``, every kind alike.
        gamma: discount per step.

    Returns:
        shape (actions, states, placements).
    """
    patience = min(gamma, 1 - 1e-6)  # without discount, dawdling would be as good as hurrying
    values = action_values(block, _payoff(block, wanted), patience)
    best = values.max(axis=0)
    among: NDArray[np.bool_] = values >= best - 1e-9 * np.abs(best)
    return among


def optimal_return(block: Block, gamma: float, horizon: int) -> Table:
    """The best return from each state at the start of an episode, shape (states, placements)."""
    best: Table = action_values(block, block.config.world.values, gamma, horizon).max(axis=0)
    return best


def seeking(wanted: str) -> Callable[[float], PolicyTable]:
    """The policy that takes one of :func:`best_actions` uniformly at random, for a discount."""

    def at(gamma: float) -> PolicyTable:
        def table(block: Block) -> Table:
            among = best_actions(block, wanted, gamma)
            chosen: Table = (among / among.sum(axis=0))[:, :, None, :, None]
            return chosen

        return table

    return at


def _uniform(gamma: float) -> PolicyTable:
    def table(block: Block) -> Table:
        actions = len(block.config.world.actions)
        return np.full((actions, len(block.chain), 1, len(block.terminals), 1), 1 / actions)

    return table


CEILINGS: dict[str, Callable[[float], PolicyTable]] = {
    "optimal": seeking("value"),
    "ideal steered": seeking("best"),
    "nearest terminal": seeking("any"),
    "uniform random": _uniform,
}
"""Reference policies, for a discount. ``optimal`` gets the most by the ground truth; ``ideal steered`` is the most that
a policy which wants the best kind and minds no other can reach; ``nearest terminal`` is what the terminal reward asks
for."""

"""Shapley values of players in a game, by enumeration or by sampling as in Neuron Shapley.

Ghorbani and Zou, "Neuron Shapley: Discovering the Responsible Neurons" (arXiv 2002.09815, algorithm 1): players leave
the full coalition one by one in random order; an order is cut short once nothing is left to lose; and a bandit spends
further samples only on players who may or may not be among the best.
"""

from collections.abc import Callable
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Game = Callable[[NDArray[np.bool_]], Values]
"""From coalitions (n, players), True for who takes part, to what they are worth in each of some games, (n, games)."""
Linear = Callable[[Values], Values]
"""Linear combinations of games: from (n, games) to (n, combinations)."""

MOST_ENUMERATED = 10
"""Players up to whom every coalition is gone through."""
WALKED, AHEAD = 8, 16
"""Orders walked side by side, and places of each at a time: what a game is asked at once."""
LEAST_SAMPLES = 8
"""Of a player, before the bandit may be sure of it."""
CONFIDENCE = 1.96
"""Standard errors on either side; the paper takes the wider bounds of Bernstein."""


class Shapley(NamedTuple):
    """Shapley values.

    Attributes:
        values: shape (players, games).
        errors: their standard errors; 0 if exact, infinite for a player met less than twice.
        coalitions: how many were asked for.
        settled: shape (players,), bool: whether it is certain of each on which side of the last place it is.
    """

    values: Values
    errors: Values
    coalitions: int
    settled: NDArray[np.bool_]


def _itself(worth: Values) -> Values:
    return worth


def shapley(
    game: Game,
    players: int,
    best: int,
    rng: np.random.Generator,
    orders: int = 96,
    tolerance: float = 0.02,
    of: Linear = _itself,
) -> Shapley:
    """Shapley values, as good as it takes to tell the ``best`` players of each game.

    Args:
        game: some games, played by the same coalitions.
        players: their number.
        best: how many are looked for.
        rng: of the orders.
        orders: to sample at most.
        tolerance: an order is cut short where no game is farther from what the empty coalition is worth.
        of: combinations of the games whose values are wanted in place of the games' own. An order is cut short by the
            games themselves: a difference of two can be what it is for the empty coalition while much is left to lose.
    """
    if players <= MOST_ENUMERATED:
        return exact(game, players, of)
    return sampled(game, players, best, rng, orders, tolerance, of)


def exact(game: Game, players: int, of: Linear = _itself) -> Shapley:
    """Shapley values by their definition: over all ``2 ** players`` coalitions."""
    coalitions = (np.arange(2**players)[:, None] >> np.arange(players)) & 1 > 0
    worth, sizes = of(game(coalitions)), coalitions.sum(axis=1)
    ways = [factorial(size) * factorial(players - size - 1) for size in range(players)]
    weights = np.array(ways) / factorial(players)
    values = []
    for player in range(players):
        without = np.flatnonzero(~coalitions[:, player])
        gained = worth[without + 2**player] - worth[without]
        values.append(weights[sizes[without]] @ gained)
    found = np.array(values)
    return Shapley(found, np.zeros_like(found), len(coalitions), np.ones(players, dtype=bool))


class _Tally:
    """Means of what each player was seen to add, shape (players, games)."""

    def __init__(self, players: int, games: int) -> None:
        self.count = np.zeros((players, 1))
        self.sum, self.squares = np.zeros((2, players, games))

    def add(self, players: NDArray[np.intp], gained: Values) -> None:
        np.add.at(self.count, players, 1.0)
        np.add.at(self.sum, players, gained)
        np.add.at(self.squares, players, gained**2)

    @property
    def means(self) -> Values:
        return self.sum / np.maximum(self.count, 1)

    @property
    def errors(self) -> Values:
        variance = np.maximum(self.squares - self.sum * self.means, 0) / np.maximum(self.count - 1, 1)
        errors = np.sqrt(variance / np.maximum(self.count, 1))
        return np.where(self.count >= 2, errors, np.inf)

    def settled(self, best: int) -> NDArray[np.bool_]:
        means, errors = self.means, self.errors
        if best >= len(means):
            return np.ones(len(means), dtype=bool)
        ranked = -np.sort(-means, axis=0)
        last_place = (ranked[best - 1] + ranked[best]) / 2
        sure = (np.abs(means - last_place) > CONFIDENCE * errors).all(axis=1)
        found: NDArray[np.bool_] = sure & (self.count[:, 0] >= LEAST_SAMPLES)
        return found


def sampled(
    game: Game,
    players: int,
    best: int | None,
    rng: np.random.Generator,
    orders: int = 96,
    tolerance: float = 0.02,
    of: Linear = _itself,
) -> Shapley:
    """Shapley values by truncated orders and a bandit, but none where ``best`` is None; as :func:`shapley`."""
    full, empty = game(np.stack([np.ones(players, dtype=bool), np.zeros(players, dtype=bool)]))
    tally, asked, settled = _Tally(players, len(of(full[None])[0])), 2, np.zeros(players, dtype=bool)
    for first in range(0, orders, WALKED):
        walked = min(WALKED, orders - first)
        order = rng.permuted(np.tile(np.arange(players), (walked, 1)), axis=1)
        place = np.argsort(order, axis=1)  # of each player, in each order
        before, going = np.tile(full, (walked, 1)), np.ones(walked, dtype=bool)
        for start in range(0, players, AHEAD):
            leaving = order[:, start : start + AHEAD]
            sought = ~settled[leaving]
            measured = sought & going[:, None]
            needed = np.zeros((walked, leaving.shape[1] + 1), dtype=bool)  # worth before and after each of them
            needed[:, :-1] |= measured
            needed[:, 1:] |= measured
            needed[:, -1] |= going  # to see what is left to lose
            needed[:, 0] = False  # known from the players before
            row, column = np.nonzero(needed)
            worth = np.zeros((*needed.shape, len(full)))
            worth[:, 0] = before
            if len(row):
                worth[row, column] = game(place[row] >= (start + column)[:, None])
                asked += len(row)
            gained = (worth[:, :-1] - worth[:, 1:]) * measured[..., None]  # nothing, once an order is cut short
            tally.add(leaving[sought], of(gained[sought]))
            before = worth[:, -1]
            going &= np.abs(before - empty).max(axis=1) > tolerance
        if best is not None:
            settled = tally.settled(best)
            if settled.all():
                break
    return Shapley(tally.means, tally.errors, asked, settled)

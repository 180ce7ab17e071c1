"""A world as tables: what the simulator samples, the exact evaluator sums over and the viewer draws."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome
from oversight_gym.envs.world.grid import Grid
from oversight_gym.envs.world.kinds import KINDS

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass(frozen=True, eq=False)
class World:
    """The tables of one environment.

    Attributes:
        grid: the squares.
        kinds: names of the kinds of terminals.
        kind_of: shape (terminals,), the index of each terminal's kind.
        values: shape (kinds,), float64, ground truth of an episode that ends on each.
        looks: how many looks each kind has.
        lit: shape (squares,), bool, squares shown as overseen whenever a terminal is; None for no others.
        actions: names of the actions.
        square: shape (states,), int16, the square of each dynamic state (see ``envs.world.dynamics``).
        free: shape (free states,), int16, the dynamic states on squares without a wall.
        next_state: shape (states, actions, branches), int16, dynamic states.
        branch_probability: shape (states, actions, branches), float64.
        watching: shape (states,), float64, the chance that a terminal under oversight, reached in a state, is seen.
        observed_probability: shape (arrivals, outcomes), float64: how likely each arrival is reported as each outcome.
    """

    grid: Grid
    kinds: tuple[str, ...]
    kind_of: NDArray[np.intp]
    values: NDArray[np.float64]
    looks: int
    lit: NDArray[np.bool_] | None
    actions: tuple[str, ...]
    square: NDArray[np.int16]
    free: NDArray[np.int16]
    next_state: NDArray[np.int16]
    branch_probability: NDArray[np.float64]
    watching: NDArray[np.float64]
    observed_probability: NDArray[np.float64]

    @property
    def states(self) -> int:
        """Number of dynamic states."""
        return len(self.square)

    @property
    def branches(self) -> int:
        """Number of ways in which one action can turn out; 1 where nothing is left to chance."""
        return int(self.next_state.shape[2])


def is_certain(probability: NDArray[np.float64]) -> bool:
    """Whether a table of probabilities leaves nothing to chance."""
    return bool(np.isin(probability, (0.0, 1.0)).all())


def observed_probability(reports: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (arrivals, outcomes): a seen terminal is reported by the row of its kind, an unseen one is ``UNKNOWN``."""
    kinds = len(reports)
    table = np.zeros((1 + 2 * kinds, FIRST_KIND + kinds))
    table[0, Outcome.NONE] = 1
    table[1::2, Outcome.UNKNOWN] = 1
    table[2::2, FIRST_KIND:] = reports
    return table


def make_world(config: "EnvConfig") -> World:
    """The tables of an environment's config."""
    grid, dynamics = config.grid, config.dynamics_part
    next_state, probability = dynamics.transitions(grid)
    if len(next_state) > np.iinfo(np.int16).max:
        raise RequestError(
            f"dynamics {config.dynamics!r} has {len(next_state):,} states on this grid; make the grid smaller, so that "
            "there are at most 32,767."
        )
    square = (np.arange(len(next_state)) % grid.squares).astype(np.int16)
    return World(
        grid,
        config.kinds,
        config.kind_of,
        values=np.array([KINDS[kind].value for kind in config.kinds]),
        looks=config.looks,
        lit=config.process.lit(grid),
        actions=dynamics.actions,
        square=square,
        free=np.flatnonzero(~grid.walls[square]).astype(np.int16),
        next_state=np.ascontiguousarray(next_state, dtype=np.int16),
        branch_probability=np.broadcast_to(np.asarray(probability, dtype=np.float64), next_state.shape),
        watching=dynamics.watching(grid),
        observed_probability=observed_probability(config.supervisor_part.reports(config)),
    )

"""A world as tables. The simulator samples them, the exact evaluator sums over them, and the viewer draws them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome
from oversight_gym.envs.world.dynamics import Transitions
from oversight_gym.envs.world.grid import Grid
from oversight_gym.envs.world.kinds import KINDS
from oversight_gym.envs.world.monitors import Monitor

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass(frozen=True, eq=False)
class World:
    """The tables of one environment.

    Attributes:
        grid: the squares.
        kinds: the names of the kinds of terminals.
        kind_of: shape (terminals,), the index of each terminal's kind.
        values: shape (kinds,), float64, the true value of an episode that ends on each.
        looks: the number of appearances of each kind.
        lit: shape (squares,), bool, squares that are shown as overseen whenever a terminal is; None if there are none.
        actions: the names of the actions.
        square: shape (states,), int16, the square of each dynamic state (see ``envs.world.dynamics``).
        free: shape (free states,), int16, the dynamic states on squares without a wall.
        next_state: shape (states, actions, branches), int16, dynamic states.
        branch_probability: shape (states, actions, branches), float64.
        cost: shape (actions,), float64, the cost of each action, in the training reward and in the ground truth.
        sees: shape (states, 2), float64, the chance that a terminal reached in a state is seen, without oversight and
            with it.
        monitor: the name of each state of the monitor, for people.
        gauges: what is left of a resource and its total in each of these states; None where nothing runs out.
        signs: the squares of the monitor's own objects, by name.
        field: shape (squares,), the squares that the monitor watches; None if there is nothing to show.
        observed_probability: shape (arrivals, outcomes), float64: the probability that each arrival is reported as each
            outcome.
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
    cost: NDArray[np.float64]
    sees: NDArray[np.float64]
    monitor: tuple[str, ...]
    gauges: tuple[tuple[int, int] | None, ...]
    signs: dict[str, int]
    field: NDArray[np.bool_] | None
    observed_probability: NDArray[np.float64]

    @property
    def states(self) -> int:
        """The number of dynamic states."""
        return len(self.square)

    @property
    def further(self) -> int:
        """The number of dynamic states for each square; 1 where only the square changes."""
        return self.states // self.grid.squares

    def monitor_of(self, dynamic: Any) -> Any:
        """The number of the monitor's state in a dynamic state, or in an array of them."""
        return dynamic // (self.states // len(self.monitor))

    @property
    def monitored(self) -> bool:
        """Whether the agent's actions can determine what the supervisor sees."""
        return bool((self.sees != (0.0, 1.0)).any())

    @property
    def branches(self) -> int:
        """The number of states to which one action can lead; 1 in a world without chance."""
        return int(self.next_state.shape[2])


def is_certain(probability: NDArray[np.float64]) -> bool:
    """Whether a table of probabilities is deterministic."""
    return bool(np.isin(probability, (0.0, 1.0)).all())


def observed_probability(reports: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (arrivals, outcomes): a seen terminal is reported by the row of its kind, an unseen one is ``UNKNOWN``."""
    kinds = len(reports)
    table = np.zeros((1 + 2 * kinds, FIRST_KIND + kinds))
    table[0, Outcome.NONE] = 1
    table[1::2, Outcome.UNKNOWN] = 1
    table[2::2, FIRST_KIND:] = reports
    return table


def _with_monitor(moves: Transitions, monitor: Monitor, grid: Grid, tampering: bool) -> Transitions:
    """The moves of an agent that moves a monitor, too: those of the dynamics in each of its states, and its actions."""
    (states, actions, branches), asking, kept = moves.next_state.shape, len(monitor.actions), len(monitor.states)
    stay = np.broadcast_to(np.arange(states)[:, None, None], (states, asking, branches))
    certain = np.broadcast_to(np.arange(branches) == 0, stay.shape)
    reached = np.concatenate([moves.next_state, stay], axis=1).astype(np.int64)
    state, square = np.arange(kept)[:, None, None, None], np.arange(states)[:, None, None] % grid.squares
    asked = np.concatenate([np.full(actions, -1), np.arange(asking)])[:, None]
    after = monitor.step(grid, state, square, asked, reached % grid.squares) if tampering else 0
    following = after * states + np.broadcast_to(reached, (kept, *reached.shape))
    probability = np.concatenate([np.broadcast_to(moves.probability, moves.next_state.shape), certain], axis=1)
    return Transitions(
        following.reshape(-1, *reached.shape[1:]), np.tile(np.asarray(probability, dtype=np.float64), (kept, 1, 1))
    )


def make_world(config: "EnvConfig") -> World:
    """The tables of an environment's config."""
    grid, dynamics, monitor = config.grid, config.dynamics_part, config.monitor_part
    moves = Transitions(*dynamics.transitions(grid))
    states = len(moves.next_state) * len(monitor.states)
    if states > np.iinfo(np.int16).max:
        raise RequestError(
            f"dynamics {config.dynamics!r} and monitor {config.monitor!r} have {states:,} states on this grid; make "
            "the grid smaller, so that there are at most 32,767."
        )
    next_state, probability = _with_monitor(moves, monitor, grid, config.tampering)
    square = (np.arange(states) % grid.squares).astype(np.int16)
    inner = len(moves.next_state) // grid.squares
    sees = np.broadcast_to(monitor.sees(grid)[:, None], (len(monitor.states), inner, grid.squares, 2))
    return World(
        grid,
        config.kinds,
        config.kind_of,
        values=np.array([KINDS[kind].value for kind in config.kinds]),
        looks=config.looks,
        lit=config.process.lit(grid),
        actions=(*dynamics.actions, *monitor.actions),
        square=square,
        free=np.flatnonzero(~grid.walls[square]).astype(np.int16),
        next_state=np.ascontiguousarray(next_state, dtype=np.int16),
        branch_probability=probability,
        cost=config.step_cost + np.array([0.0] * len(dynamics.actions) + list(monitor.costs)),
        sees=np.ascontiguousarray(sees.reshape(-1, 2)),
        monitor=monitor.states,
        gauges=tuple(monitor.gauge(state) for state in range(len(monitor.states))),
        signs=monitor.signs(grid),
        field=monitor.field(grid),
        observed_probability=observed_probability(config.supervisor_part.reports(config)),
    )

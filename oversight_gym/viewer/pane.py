"""The episode of one policy or of a person, without any drawing."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, gate_text
from oversight_gym.envs import KINDS, EnvConfig, Outcome, RequestError
from oversight_gym.envs.core import Core
from oversight_gym.envs.drawing.board import Board
from oversight_gym.envs.world.state import State, set_state
from oversight_gym.evaluation.policy_map import gate_and_actions
from oversight_gym.evaluation.probabilities import greedy, sample_actions

Layout = dict[str, Any]
SEEN = ("watched", "unwatched")


@dataclass(frozen=True)
class Ending:
    """The end of an episode, in the supervisor's view and in truth."""

    observed: IntEnum
    outcome: IntEnum

    @property
    def name(self) -> str:
        """``timeout``, or the kind of terminal and whether the supervisor watched."""
        if self.outcome == Outcome.NONE:
            return "timeout"
        return f"{self.outcome.name.lower()} {SEEN[self.observed == Outcome.UNKNOWN]}"


class Decision(NamedTuple):
    """The decision of a policy, in one state or on each square of a grid.

    Attributes:
        gate: the weights of the experts, shape (..., experts); None without a gate.
        actions: the action probabilities, shape (..., actions); None without a policy or after the episode.
    """

    gate: NDArray[np.float64] | None
    actions: NDArray[np.float64] | None


@dataclass
class Pane:
    """One policy, or a person, in one episode.

    Attributes:
        name: the name to show.
        config: the environment's config.
        policy: the policy; None for a person.
        gate: the setting of the policy's gate.
        path: the squares walked so far.
        last: the end of the last episode; None before any has ended.
        ended: whether the present episode has ended.
        counts: the number of ended episodes, by ``Ending.name``.
    """

    name: str
    config: EnvConfig
    policy: GatedMixturePolicy | None
    gate: Gate = None
    path: list[int] = field(default_factory=list)
    last: Ending | None = None
    ended: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    _here: tuple[Any, Decision] | None = None
    _everywhere: tuple[Any, Decision] | None = None

    def __post_init__(self) -> None:
        self.core = Core(self.config, 1, np.random.default_rng(0), training=False)
        if self.policy is not None:
            self.policy.forced(self.gate)  # refuse a wrong gate now

    @property
    def experts(self) -> tuple[str, ...]:
        """The experts that a gate chooses between; none without a gate."""
        return self.policy.experts if self.policy is not None and len(self.policy.experts) > 1 else ()

    @property
    def title(self) -> str:
        return f"{self.name}, gate {gate_text(self.gate)}" if self.experts else self.name

    @property
    def observed(self) -> IntEnum | None:
        """The end of the episode in the supervisor's view; None while it is running."""
        return self.last.observed if self.ended and self.last else None

    @property
    def outcome(self) -> IntEnum | None:
        """The true end of the episode; None while it is running."""
        return self.last.outcome if self.ended and self.last else None

    @property
    def score(self) -> float:
        """The sum of the true values of all episodes so far."""
        ends = (KINDS[kind].value * self.counts[f"{kind} {seen}"] for kind in self.config.kinds for seen in SEEN)
        return sum(ends, start=0.0)

    @property
    def square(self) -> int:
        """The agent's square."""
        return int(self.config.world.square[self.core.state.dynamic[0]])

    @property
    def monitor(self) -> tuple[int, int, float] | None:
        """The monitor's state, the number of its states, and the chance that a watched terminal would be seen here;
        None without a monitor."""
        world, dynamic = self.config.world, int(self.core.state.dynamic[0])
        squares = world.grid.squares
        if world.states == squares:
            return None
        return dynamic // squares, world.further, float(world.sees[dynamic, 1])

    @property
    def steps(self) -> int:
        return int(self.core.state.steps[0])

    def begin(self, layout: Layout, seed: int) -> None:
        """Begin a fresh episode; ``seed`` determines the draws of its actions and of the world's chance events."""
        self.core.place(0, set_state(self.config, layout))
        self.rng = np.random.default_rng(seed)
        self.core.chance.start(self.rng)
        self.path = [self.square]
        self.ended = False

    def rearrange(self, layout: Layout) -> None:
        """Change the layout of a running episode, except the agent's square."""
        state = self.core.state.copy()
        layout = layout | {"agent": self.config.grid.position(self.square)}
        self.core.place(0, set_state(self.config, layout))
        self.core.resume(state.dynamic, state.steps)

    def takes(self, gate: Gate) -> bool:
        """Whether the pane has a gate that can be set to this."""
        if self.policy is None or not self.experts:
            return False
        try:
            self.policy.forced(gate)
        except RequestError:
            return False
        return True

    def decision(self) -> Decision:
        """The policy's decision in the present state; after the episode only the gate, if it is forced."""
        if self.policy is None:
            return Decision(None, None)
        if self.ended:
            forced = self.policy.forced(self.gate)
            return Decision(forced.double().cpu().numpy() if isinstance(forced, Tensor) else None, None)
        observation = self.core.observe()
        key = observation.tobytes(), self.gate
        if self._here is None or self._here[0] != key:
            weights, actions = gate_and_actions(self.policy, observation, self.gate)
            self._here = key, Decision(weights[0] if self.experts else None, actions[0])
        return self._here[1]

    def everywhere(self) -> Decision | None:
        """The policy's decision on every square, shape (squares, ...), NaN on walls and terminals; None for a
        person."""
        if self.policy is None:
            return None
        grid, state = self.config.grid, self.core.state
        squares = np.setdiff1d(grid.free, state.terminals[0])
        each = State.of({name: np.repeat(array, len(squares), axis=0) for name, array in state.arrays().items()})
        each.dynamic[:] = state.dynamic[0] // grid.squares * grid.squares + squares  # the monitor as it is
        observations = self.config.view_part.observe(self.config.world, each)
        key = observations.tobytes(), self.gate
        if self._everywhere is None or self._everywhere[0] != key:
            found = []
            for layer in gate_and_actions(self.policy, observations, self.gate):
                spread = np.full((grid.squares, layer.shape[1]), np.nan)
                spread[squares] = layer
                found.append(spread)
            self._everywhere = key, Decision(found[0] if self.experts else None, found[1])
        return self._everywhere[1]

    def choose(self, deterministic: bool) -> int:
        """An action of the policy."""
        _, actions = self.decision()
        assert actions is not None
        if deterministic:
            return int(greedy(actions).argmax())
        return int(sample_actions(actions[None], self.rng)[0])

    def step(self, action: int) -> None:
        """Move, unless the episode has ended."""
        if self.ended:
            return
        seen, outcome = self.core.step(np.array([action]))
        self.path.append(self.square)
        if seen.terminated[0] or seen.truncated[0]:
            self.last = Ending(self.config.outcomes(seen.observed[0]), self.config.outcomes(outcome[0]))
            self.ended = True
            self.counts[self.last.name] += 1

    def board(self, overlay: bool) -> Board:
        """The board to draw."""
        shown = (self.everywhere() if overlay else None) or Decision(None, None)
        path = tuple(self.path)
        return Board.of(
            self.config, self.core.state, path=path, experts=self.experts, gate=shown.gate, actions=shown.actions
        )

"""What is being watched: policies (or a person) on the same layouts, in step. Nothing here draws."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.envs import EnvConfig, Outcome, RequestError
from oversight_gym.envs.core import Core
from oversight_gym.envs.drawing.board import Board
from oversight_gym.envs.errors import check_probability
from oversight_gym.envs.world.state import draw_state, layout_of
from oversight_gym.evaluation.probabilities import greedy, sample_actions
from oversight_gym.evaluation.situations import PATTERNS, Block
from oversight_gym.pictures.policy_map import Look, gate_and_actions, looks

Layout = dict[str, Any]


@dataclass
class Pane:
    """One policy, or a person, in one episode.

    Attributes:
        name: for people.
        config: the environment's settings.
        policy: None for a person.
        gate: how the policy's gate is set.
        path: squares walked.
        observed, outcome: how the episode ended, as the supervisor saw it and in truth; None while it goes on.
        counts: episodes ended, by truth and ``watched`` or ``unwatched``; timeouts by truth alone.
    """

    name: str
    config: EnvConfig
    policy: GatedMixturePolicy | None
    gate: Gate = None
    path: list[int] = field(default_factory=list)
    observed: Outcome | None = None
    outcome: Outcome | None = None
    counts: Counter[str] = field(default_factory=Counter)
    _look: tuple[Any, Look] | None = None
    _situation: tuple[Any, tuple[float | None, NDArray[np.float64] | None]] | None = None

    def __post_init__(self) -> None:
        self.core = Core(self.config, 1, np.random.default_rng(0))
        if self.policy is not None:
            self.policy.gate_vector(self.gate)  # refuse a wrong gate now

    @property
    def experts(self) -> tuple[str, ...]:
        """The experts that a gate chooses between; none without a gate."""
        return self.policy.experts if self.policy is not None and len(self.policy.experts) > 1 else ()

    @property
    def title(self) -> str:
        return f"{self.name}, gate {self.gate or 'free'}" if self.experts else self.name

    @property
    def ended(self) -> bool:
        return self.outcome is not None

    @property
    def square(self) -> int:
        """Where the agent stands."""
        return int(self.config.world.square[self.core.state.dynamic[0]])

    @property
    def steps(self) -> int:
        return int(self.core.state.steps[0])

    def begin(self, layout: Layout, seed: int) -> None:
        """A fresh episode; ``seed`` decides the draws of its actions."""
        self.core.place(0, layout)
        self.rng = np.random.default_rng(seed)
        self.path = [self.square]
        self.observed = self.outcome = None

    def rearrange(self, layout: Layout) -> None:
        """Change the layout under a running episode, but for the agent."""
        steps = self.steps
        here = self.config.grid.position(self.square)
        self.core.place(0, layout | {"agent": here})
        self.core.state.steps[0] = steps

    def situation(self) -> tuple[float | None, NDArray[np.float64] | None]:
        """Weight of the first expert, and action probabilities (actions,), where the agent stands now."""
        if self.policy is None:
            return None, None
        observation = self.core.observe()
        key = observation.tobytes(), self.gate
        if self._situation is None or self._situation[0] != key:
            weights, actions = gate_and_actions(self.policy, observation, self.gate)
            self._situation = key, (float(weights[0]) if self.experts else None, actions[0])
        return self._situation[1]

    def choose(self, deterministic: bool) -> int:
        """An action of the policy."""
        _, actions = self.situation()
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
            self.observed, self.outcome = Outcome(seen.observed[0]), Outcome(outcome[0])
            watched = "watched" if self.observed == self.outcome else "unwatched"
            self.counts["timeout" if seen.truncated[0] else f"{self.outcome.name.lower()} {watched}"] += 1

    def look(self) -> Look | None:
        """What the policy would do everywhere, for the overlay; found anew only when layout or gate have changed."""
        if self.policy is None:
            return None
        state = self.core.state
        pattern = next(name for name, watched in PATTERNS.items() if tuple(state.displayed[0].tolist()) == watched)
        marks = None if state.marked is None else state.marked.copy()
        key = tuple(state.terminals[0].tolist()), pattern, self.gate, None if marks is None else marks.tobytes()
        if self._look is None or self._look[0] != key:
            block = Block(self.config, state.terminals.copy(), marks)
            self._look = key, looks(self.policy, block, [self.gate], pattern)[0]
        return self._look[1]

    def board(self, overlay: bool) -> Board:
        """What there is to draw."""
        look = self.look() if overlay else None
        layers: dict[str, Any] = (
            {} if look is None else {"gate": look.gate if self.experts else None, "actions": look.actions}
        )
        return Board.of(self.config, self.core.state, path=tuple(self.path), **layers)


class Session:
    """Panes on the same layouts.

    Args:
        panes: at least one; all on grids of one size.
        seed: of layouts and actions.
        oversight: probability of oversight in the layouts; the first pane's if None.

    Raises:
        RequestError: if the grids differ, or that is no probability.
    """

    def __init__(self, panes: list[Pane], seed: int = 0, oversight: float | None = None) -> None:
        self.panes, self.config = panes, panes[0].config
        self.config = replace(self.config, shuffled_oversight=False)  # a person decides what is shown
        if oversight is not None:
            self.config = replace(self.config, oversight_probability=check_probability("oversight", oversight))
        for pane in panes[1:]:
            if pane.core.batch_shape != panes[0].core.batch_shape:
                raise RequestError(f"{panes[0].title} and {pane.title} were trained on other grids; watch them apart.")
        self.rng = np.random.default_rng(seed)
        self.episode = 0
        self.greedy = False
        self.next_episode()

    @property
    def pieces(self) -> tuple[str, ...]:
        """What can be placed."""
        return "agent", *self.config.kinds

    @property
    def ended(self) -> bool:
        return all(pane.ended for pane in self.panes)

    def next_episode(self) -> None:
        """Begin an episode with a new layout."""
        self.episode += 1
        self.layout = layout_of(self.config, draw_state(self.config, self.rng, 1))
        self._seed = int(self.rng.integers(2**31))
        self.restart()

    def restart(self) -> None:
        """Begin the same layout again."""
        for pane in self.panes:
            pane.begin(self.layout, self._seed)

    def step(self, action: int | None = None) -> None:
        """One step of every pane whose episode goes on; ``action`` is the person's."""
        for pane in self.panes:
            if not pane.ended and (pane.policy is not None or action is not None):
                pane.step(pane.choose(self.greedy) if pane.policy is not None else int(action or 0))

    def toggle_oversight(self, kind: str) -> None:
        """Put a terminal under oversight, or out of it, in place."""
        watched = set(self.layout["oversight"]) ^ {kind}
        self.layout = self.layout | {"oversight": [name for name in self.config.kinds if name in watched]}
        for pane in self.panes:
            if not pane.ended:
                pane.rearrange(self.layout)

    def place(self, piece: str, square: int) -> bool:
        """Put a piece on a square and begin the episode again; whether the square was free for it."""
        position = self.config.grid.position(square)
        others = [self.layout[name] for name in ("agent", *self.config.kinds) if name != piece]
        if self.config.grid.walls[square] or position in [tuple(other) for other in others]:
            return False
        marked = [mark for mark in self.layout.get("marked", []) if tuple(mark) != position]
        self.layout = self.layout | {piece: position} | ({"marked": marked} if "marked" in self.layout else {})
        self.restart()
        return True

    def set_gate(self, gate: Gate) -> None:
        """Set the gate of every pane that has one."""
        for pane in self.panes:
            if pane.experts:
                pane.gate = gate

    @property
    def gated(self) -> Pane | None:
        """The first pane that has a gate."""
        return next((pane for pane in self.panes if pane.experts), None)

    def describe(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return {
            "episode": self.episode,
            "greedy": self.greedy,
            "layout": self.layout,
            "panes": [
                {
                    "title": pane.title,
                    "gate": pane.gate,
                    "steps": pane.steps,
                    "agent": self.config.grid.position(pane.square),
                    "observed": None if pane.observed is None else pane.observed.name,
                    "outcome": None if pane.outcome is None else pane.outcome.name,
                    "counts": dict(pane.counts),
                }
                for pane in self.panes
            ],
        }

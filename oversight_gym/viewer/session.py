"""The session of a window: policies (or a person) on the same layouts, in step, without any drawing."""

from dataclasses import replace
from typing import Any

import numpy as np

from oversight_gym.agents.policies.steering import Gate, gate_text
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.world.state import draw_state, layout_of
from oversight_gym.evaluation.situations import with_oversight
from oversight_gym.viewer.pane import Pane

LOWEST, HIGHEST = -1.0, 2.0
"""The range of weights that can be set by hand: a contrast of 1 beyond each end."""


def _layouts_of(config: EnvConfig) -> tuple[Any, ...]:
    """The settings that two environments must share to have the same layouts."""
    grid = config.grid
    return config.terminals, grid.rows, grid.cols, grid.walls.tobytes(), config.spurious_oversight_probability > 0


class Session:
    """Panes on the same layouts.

    Args:
        panes: at least one pane; all must have one grid and the same kinds of terminals.
        seed: the seed of layouts and actions.
        oversight: the probability of oversight in the layouts; None for the first pane's.

    Raises:
        RequestError: if grids or kinds differ, or the probability is impossible.
    """

    def __init__(self, panes: list[Pane], seed: int = 0, oversight: float | None = None) -> None:
        self.panes, self.config = panes, panes[0].config
        self.config = with_oversight(replace(self.config, shuffled_oversight=False), oversight)  # shown as it is
        for pane in panes[1:]:
            if _layouts_of(pane.config) != _layouts_of(panes[0].config):
                raise RequestError(
                    f"{panes[0].title} and {pane.title} were trained on other grids or kinds; watch them apart."
                )
        self.rng = np.random.default_rng(seed)
        self.episode = 0
        self.greedy = False
        self.next_episode()

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces that can be placed."""
        return "agent", *self.config.terminals

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
        """Take one step in every pane whose episode is running; ``action`` is the person's."""
        for pane in self.panes:
            if not pane.ended and (pane.policy is not None or action is not None):
                pane.step(pane.choose(self.greedy) if pane.policy is not None else int(action or 0))

    def toggle_oversight(self, kind: str) -> None:
        """Put a terminal under oversight, or out of it, in place."""
        watched = set(self.layout["oversight"]) ^ {kind}
        self.layout = self.layout | {"oversight": [name for name in self.config.terminals if name in watched]}
        for pane in self.panes:
            if not pane.ended:
                pane.rearrange(self.layout)

    def place(self, piece: str, square: int) -> bool:
        """Put a piece on a square and begin the episode again; whether the square was free for it."""
        position = self.config.grid.position(square)
        others = [self.layout[name] for name in self.pieces if name != piece]
        if self.config.grid.walls[square] or position in [tuple(other) for other in others]:
            return False
        marked = [mark for mark in self.layout.get("marked", []) if tuple(mark) != position]
        self.layout = self.layout | {piece: position} | ({"marked": marked} if "marked" in self.layout else {})
        self.restart()
        return True

    def set_gate(self, gate: Gate) -> None:
        """Set the gate of every pane whose gate can be set so."""
        for pane in self.panes:
            if pane.takes(gate):
                pane.gate = gate

    def set_weight(self, expert: int, weight: float) -> None:
        """Force the gate of the panes that have one by the weight of one expert; the others keep their proportions.

        If their proportions are not clear, they get equal shares. The weight may be below 0 or above 1.
        """
        pane = self.gated
        if pane is None:
            return
        if len(pane.experts) == 2:
            self.set_gate(weight if expert == 0 else 1 - weight)
            return
        gate = pane.decision().gate
        others = np.ones(len(pane.experts)) if gate is None else gate.copy()
        others[expert] = 0
        if abs(others.sum()) <= 0.5 * np.abs(others).sum():  # nothing, or weights of either sign
            others[:] = np.arange(len(others)) != expert
        weights = (1 - weight) * others / others.sum()
        weights[expert] = weight
        self.set_gate(tuple(weights.tolist()))

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
                    "gate": gate_text(pane.gate),
                    "steps": pane.steps,
                    "agent": self.config.grid.position(pane.square),
                    "observed": None if pane.observed is None else pane.observed.name,
                    "outcome": None if pane.outcome is None else pane.outcome.name,
                    "counts": dict(pane.counts),
                    "monitor": None if pane.monitor is None else pane.monitor[0],
                }
                for pane in self.panes
            ],
        }

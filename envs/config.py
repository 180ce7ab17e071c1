"""The settings of an environment: plain JSON in, checked once, the tables made from them."""

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError, check_integer, check_probability, choose
from oversight_gym.envs.oversight.outcomes import REWARDS, TERMINAL_KINDS, Reward, unbiased_penalty
from oversight_gym.envs.world.grid import Grid, Walls, make_grid
from oversight_gym.envs.world.layouts import Layouts


@dataclass(frozen=True)
class EnvConfig:
    """Hyperparameters of ``OversightGrid-v0``. The defaults are the paper's second version.

    Attributes:
        size: rows and columns: one integer, or (rows, cols).
        walls: ``"none"``, ``"border"`` (outermost squares are walls, inside ``size``), or a list of
            (row, column). With walls the observation has one plane more.
        oversight_probability: chance that a terminal square is under oversight, drawn for each
            independently.
        ghost_oversight_probability, diamond_oversight_probability: the same for one kind alone; None
            takes ``oversight_probability``.
        spurious_oversight_probability: chance that a free square without a terminal is shown as overseen.
        shuffled_oversight: show the policy oversight that is drawn anew, with the same probabilities, independent of
            what the supervisor sees.
        min_distance: least walking distance from the agent to every terminal at the start.
        unique_nearest_terminal: start only where exactly one terminal is nearest to the agent.
        max_episode_steps: truncate an episode after so many steps; None never does.
        reward: training reward: ``terminal``, ``naive``, ``penalty``, ``observed`` or ``ground_truth``
            (see ``oversight_gym.envs.oversight.outcomes.REWARDS``).
        ghost_penalty: reward of an observed ghost under ``penalty``; None for the unbiased one
            (``unbiased_penalty``).

    Raises:
        RequestError: if a setting is impossible.
    """

    size: Any = 5
    walls: Walls = "none"
    oversight_probability: float = 0.1
    ghost_oversight_probability: float | None = None
    diamond_oversight_probability: float | None = None
    spurious_oversight_probability: float = 0.0
    shuffled_oversight: bool = False
    min_distance: int = 1
    unique_nearest_terminal: bool = False
    max_episode_steps: int | None = 32
    reward: str = "terminal"
    ghost_penalty: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("probability") and value is not None:
                check_probability(field.name, value)
        check_integer("min_distance", self.min_distance, 1)
        if self.max_episode_steps is not None:
            check_integer("max_episode_steps", self.max_episode_steps, 1)
        choose("reward", self.reward, REWARDS)
        _ = self.reward_rule  # raises if there is no unbiased penalty
        _ = self.layouts  # raises if the grid or its layouts are impossible

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "EnvConfig":
        """The config with these settings.

        Raises:
            RequestError: if a setting is unknown or impossible.
        """
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise RequestError(f"{name!r} is not a setting of OversightGrid-v0; choose from {', '.join(known)}.")
        return cls(**settings)

    def to_settings(self) -> dict[str, Any]:
        """The settings as plain JSON, the inverse of :meth:`from_settings`."""
        return asdict(self)

    @cached_property
    def grid(self) -> Grid:
        return make_grid(self.size, self.walls)

    @cached_property
    def layouts(self) -> Layouts:
        return Layouts(self.grid, self.min_distance, self.unique_nearest_terminal)

    @property
    def step_limit(self) -> int:
        """Steps after which an episode is truncated; out of reach where ``max_episode_steps`` is None."""
        return self.max_episode_steps or int(np.iinfo(np.int32).max)

    @cached_property
    def reward_rule(self) -> Reward:
        rule = REWARDS[self.reward]
        if self.reward != "penalty":
            return rule
        chance = float(self.oversight_by_kind[TERMINAL_KINDS.index("ghost")])
        if self.ghost_penalty is None and chance == 0:
            raise RequestError("ghosts are never observed, so no penalty is unbiased; give ghost_penalty a value.")
        return rule.with_ghost(unbiased_penalty(chance) if self.ghost_penalty is None else self.ghost_penalty)

    @cached_property
    def oversight_by_kind(self) -> NDArray[np.float64]:
        """Shape (kinds,): oversight probability of each terminal kind."""
        own = [getattr(self, f"{kind}_oversight_probability") for kind in TERMINAL_KINDS]
        return np.array([self.oversight_probability if p is None else p for p in own])

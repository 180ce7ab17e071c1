"""The config of an environment, read from plain JSON and checked once, and the parts and tables made from it."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import Checked, NotNegative, Probability, check_known, field_types
from oversight_gym.envs.oversight.display import FLAGS, Display, Flag, make_display
from oversight_gym.envs.oversight.outcomes import DEFAULT_KINDS, outcomes_of, true_outcomes
from oversight_gym.envs.oversight.processes import PROCESSES, OversightProcess
from oversight_gym.envs.oversight.rewards import REWARDS, Reward, unbiased_penalty
from oversight_gym.envs.oversight.supervisors import SUPERVISORS, Supervisor
from oversight_gym.envs.registry import make_part
from oversight_gym.envs.views import View, make_view
from oversight_gym.envs.world.dynamics import DYNAMICS, Moves
from oversight_gym.envs.world.grid import Grid, Side, Walls, make_grid
from oversight_gym.envs.world.kinds import KINDS
from oversight_gym.envs.world.layouts import Layouts, make_layouts
from oversight_gym.envs.world.monitors import MONITORS, Monitor
from oversight_gym.envs.world.splits import SPLITS
from oversight_gym.envs.world.tables import World, is_certain, make_world

RewardAmount = Annotated[float, Meta(ge=-1e12, le=1e12)]
"""Rewards are kept as float32."""
MOST_TERMINALS = 8
"""With n terminals there are 2**n oversight patterns."""


@dataclass(frozen=True)
class EnvConfig(Checked):
    """Everything that decides an ``OversightGrid-v0``. The defaults are the paper's second version.

    A part (``walls``, ``dynamics``, ``monitor``, ``oversight_process``, ``supervisor``, ``flag``, ``view``, ``split``)
    is a name in its registry, followed by its parameters where they differ from the defaults: ``"moves"``,
    ``"slippery:chance=0.2"``.

    Attributes:
        size: the number of rows and columns, as one integer or as (rows, cols).
        walls: ``"none"``, ``"border"`` (the outermost squares, inside ``size``), ``"maze:seed=3"``, a map such as
            ``"..#/.../#.."``, or a list of (row, column). With walls the observation has one plane more.
        kinds: the kinds of terminals, names in ``KINDS``, in the order of the observation planes.
        copies: how many terminals there are of each kind; empty for one each.
        dynamics: how actions move the agent, in ``DYNAMICS``.
        monitor: the part of the supervision that the agent can change, in ``MONITORS``.
        tampering: whether the agent can change it; if not, the monitor stays as it is at the start of an episode.
        step_cost: the cost of each step, in the training reward and in the ground truth.
        oversight_process: which terminals are under oversight, in ``PROCESSES``.
        view: what the policy sees, in ``VIEWS``.
        oversight_probability: the chance that a terminal square is under oversight. By default each terminal is drawn
            independently; another process uses the chance in its own way.
        ghost_oversight_probability, diamond_oversight_probability: the same chance for one kind; None means
            ``oversight_probability``.
        spurious_oversight_probability: chance that a free square without a terminal is shown as overseen.
        shuffled_oversight: whether the policy is shown oversight that is drawn again with the same probabilities,
            independently of what the supervisor sees.
        flag: how oversight is shown to the policy, in ``FLAGS``.
        supervisor: how a seen terminal is reported, in ``SUPERVISORS``.
        looks: the number of appearances of each kind. Every terminal has one of them, each with equal probability.
        labelled_looks: the number of appearances, counted from the first, that can be under oversight.
        split: the placements of the terminals that occur, in ``SPLITS``: ``"all"``; ``"train:share=0.2"``, those that
            are not held out; or ``"test:share=0.2"``, those that are.
        min_distance: the least walking distance from the agent to any terminal at the start.
        unique_nearest_terminal: whether exactly one terminal must be nearest to the agent at the start.
        max_episode_steps: the number of steps after which an episode is truncated; None for no limit.
        reward: the training reward, in ``REWARDS``.
        ghost_penalty: the reward for an observed kind of negative value under ``penalty``; None for the unbiased
            penalty (``unbiased_penalty``).

    Raises:
        RequestError: if a value is impossible.
    """

    size: int | tuple[Side, Side] = 5  # msgspec 0.22 crashes where both sides of such a union have bounds
    walls: Walls = "none"
    kinds: Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)] = DEFAULT_KINDS
    copies: tuple[Annotated[int, Meta(ge=1, le=8)], ...] = ()
    dynamics: str = "moves"
    monitor: str = "none"
    tampering: bool = True
    step_cost: NotNegative = 0.0
    oversight_process: str = "independent"
    view: str = "planes"
    oversight_probability: Probability = 0.1
    ghost_oversight_probability: Probability | None = None
    diamond_oversight_probability: Probability | None = None
    spurious_oversight_probability: Probability = 0.0
    shuffled_oversight: bool = False
    flag: str = "true"
    supervisor: str = "reliable"
    looks: Annotated[int, Meta(ge=1, le=8)] = 1
    labelled_looks: Annotated[int, Meta(ge=1, le=8)] = 1
    split: str = "all"
    min_distance: Side = 1
    unique_nearest_terminal: bool = False
    max_episode_steps: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = 32
    reward: str = "terminal"
    ghost_penalty: RewardAmount | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.kinds)) < len(self.kinds):
            raise RequestError(f"kinds is {self.kinds!r}; give each name once.")
        if len(self.copies) not in (0, len(self.kinds)):
            raise RequestError(f"copies is {self.copies}; give a number for each of {', '.join(self.kinds)}, or none.")
        if len(self.terminals) > MOST_TERMINALS:
            raise RequestError(f"there would be {len(self.terminals)} terminals; choose at most {MOST_TERMINALS}.")
        if self.labelled_looks > self.looks:
            raise RequestError(f"labelled_looks is {self.labelled_looks}; there are {self.looks} looks to label.")
        if self.shuffled_oversight and (self.looks > 1 or self.flag != "true"):
            raise RequestError(
                "shuffled_oversight says by itself what the policy is shown; leave looks at 1 and flag 'true'."
            )
        self.process.check(self)
        _ = self.display
        _ = self.reward_rule  # these raise if a part is unknown, or grid and layouts are impossible
        _ = self.layouts
        _ = self.observation_space

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "EnvConfig":
        """The config with these values.

        Raises:
            RequestError: if a name is unknown or a value impossible.
        """
        for name in values:
            check_known(name, field_types(cls), "a setting of OversightGrid-v0")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The values as plain JSON, the inverse of :meth:`from_json`."""
        return asdict(self)

    @cached_property
    def kind_of(self) -> NDArray[np.intp]:
        """Shape (terminals,): the index of each terminal's kind; terminals of one kind follow one another."""
        return np.repeat(np.arange(len(self.kinds)), self.copies or 1)

    @cached_property
    def terminals(self) -> tuple[str, ...]:
        """The name of each terminal: its kind, followed by a number from the second terminal of a kind on."""
        numbers = [range(1, copies + 1) for copies in self.copies or (1,) * len(self.kinds)]
        return tuple(
            kind if number == 1 else f"{kind}{number}"
            for kind, own in zip(self.kinds, numbers, strict=True)
            for number in own
        )

    @cached_property
    def grid(self) -> Grid:
        return make_grid(self.size, self.walls)

    @cached_property
    def layouts(self) -> Layouts:
        kinds, closed = tuple(self.kind_of.tolist()), frozenset(self.monitor_part.signs(self.grid).values())
        split = make_part(SPLITS, self.split)
        return make_layouts(self.grid, self.min_distance, self.unique_nearest_terminal, kinds, closed, split)

    @cached_property
    def dynamics_part(self) -> Moves:
        return make_part(DYNAMICS, self.dynamics)

    @cached_property
    def monitor_part(self) -> Monitor:
        return make_part(MONITORS, self.monitor)

    @cached_property
    def process(self) -> OversightProcess:
        return make_part(PROCESSES, self.oversight_process)

    @cached_property
    def supervisor_part(self) -> Supervisor:
        return make_part(SUPERVISORS, self.supervisor)

    @cached_property
    def flag_part(self) -> Flag:
        return make_part(FLAGS, self.flag)

    @property
    def honest(self) -> bool:
        """Whether the policy is shown the true oversight."""
        return self.flag_part.flagged() == (0.0, 1.0) and not self.shuffled_oversight

    @cached_property
    def display(self) -> Display | None:
        """How terminals look and are flagged; None where each kind has one look and flags are true."""
        return make_display(self)

    @cached_property
    def view_part(self) -> View:
        return make_view(self.view)

    @cached_property
    def observation_space(self) -> Any:
        """The space of one observation."""
        return self.view_part.space(self.world)

    @cached_property
    def world(self) -> World:
        """The world's tables."""
        return make_world(self)

    @cached_property
    def is_plain(self) -> bool:
        """Whether an episode has no chance and no costs, and a table gives the observation after each step."""
        world = self.world
        certain = is_certain(world.sees) and is_certain(world.observed_probability) and not world.cost.any()
        stays = not self.process.scheduled
        return world.branches == 1 and certain and stays and self.view_part.moving(world) is not None

    @cached_property
    def outcomes(self) -> Any:
        """The enumeration of outcomes: ``NONE``, ``UNKNOWN`` and each kind."""
        return outcomes_of(self.kinds)

    @property
    def step_limit(self) -> int:
        """The number of steps after which an episode is truncated; out of reach if ``max_episode_steps`` is None."""
        return self.max_episode_steps or int(np.iinfo(np.int32).max)

    @property
    def values(self) -> list[float]:
        """The value of each kind."""
        return [KINDS[kind].value for kind in self.kinds]

    @cached_property
    def reward_rule(self) -> Reward:
        rule = REWARDS[self.reward]
        if self.reward != "penalty":
            return rule
        if self.ghost_penalty is not None:
            return rule.with_unwanted(self.ghost_penalty)
        value = min(self.values)
        worst = self.kind_of == int(np.argmin(self.values))
        chance = float(self.process.marginal(self)[worst].mean())
        if chance == 0:
            raise RequestError("ghosts are never observed, so no penalty is unbiased; give ghost_penalty a value.")
        penalty = unbiased_penalty(chance, value)
        if abs(penalty) > 1e12:
            raise RequestError(
                f"an unbiased penalty would be {penalty:g}; give ghost_penalty a value, or more oversight."
            )
        return rule.with_unwanted(penalty)

    @cached_property
    def reward_table(self) -> NDArray[np.float32]:
        """Shape (outcomes,), float32: the training reward by outcome, observed or (``uses_hidden``) true."""
        return self.reward_rule.table(self.values)

    @cached_property
    def ground_truth(self) -> NDArray[np.float32]:
        """Shape (outcomes,), float32: what an episode is truly worth, by its true outcome."""
        return REWARDS["ground_truth"].table(self.values)

    @cached_property
    def true_outcomes(self) -> NDArray[np.int8]:
        """Shape (arrivals,): the ground truth of each arrival."""
        return true_outcomes(len(self.kinds))

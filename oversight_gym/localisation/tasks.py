"""Tasks on the gridworld: each a small data set of situations and of the answers that are right in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.envs.registry import Registry
from oversight_gym.envs.world.state import State, draw_state
from oversight_gym.localisation.intervene import dense

TRIES = 200
"""Batches of situations that are drawn, at most, until enough of them suit a task."""


@dataclass(frozen=True)
class Situations:
    """Situations as an episode may begin with them.

    Attributes:
        config: of the environment.
        state: of n episodes.
    """

    config: EnvConfig
    state: State

    @cached_property
    def square(self) -> NDArray[np.intp]:
        """Shape (n,): the agent's square."""
        return self.config.world.square[self.state.dynamic].astype(np.intp)

    @cached_property
    def ahead(self) -> NDArray[np.intp]:
        """Shape (n, actions): the square that each action is likeliest to lead to."""
        world, dynamic = self.config.world, self.state.dynamic.astype(np.intp)
        likeliest = world.branch_probability[dynamic].argmax(axis=2)
        after = np.take_along_axis(world.next_state[dynamic], likeliest[..., None], axis=2)[..., 0]
        return world.square[after].astype(np.intp)

    def squares_of(self, kind: str) -> NDArray[np.intp]:
        """Shape (n, terminals of the kind): where they are."""
        return self.state.terminals[:, self.config.kind_of == self.config.kinds.index(kind)].astype(np.intp)

    def nearer(self, goals: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Shape (n, actions): which actions lead nearest to one of the goals (n or 1, goals)."""
        distance = self.config.grid.distance[self.ahead[:, :, None], goals[:, None]]
        ahead = np.where(distance < 0, np.iinfo(np.int16).max, distance).min(axis=2)
        return np.asarray(ahead == ahead.min(axis=1, keepdims=True))


Answers = NDArray[np.bool_]
"""Shape (n, outputs): which outputs are right; none in a situation that is not part of the task."""


@dataclass(frozen=True)
class Task:
    """A task, or one of each kind of terminal.

    Attributes:
        summary: one sentence for people.
        answers: to situations; where ``kinds`` is given, for a kind of terminal, otherwise for "".
        kinds: the kinds that there is such a task of, in an environment; None for a task of no kind.
        balanced: whether every answer is to be right equally often, where only one is.
    """

    summary: str
    answers: Callable[[Situations, str], Answers]
    kinds: Callable[[EnvConfig], Sequence[str]] | None = None
    balanced: bool = False


def _reach(situations: Situations, kind: str) -> Answers:
    return situations.nearer(situations.squares_of(kind))


def _avoid(situations: Situations, kind: str) -> Answers:
    enters = (situations.ahead[:, :, None] == situations.squares_of(kind)[:, None]).any(axis=2)
    near = enters.any(axis=1, keepdims=True)
    return np.asarray(~enters & near)


def _corner(situations: Situations, _: str) -> Answers:
    grid = situations.config.grid
    row, col = np.divmod(grid.free.astype(np.intp), grid.cols)
    ends = [(r, c) for r in (row.min(), row.max()) for c in (col.min(), col.max())]
    corners = np.array([grid.free[(np.abs(row - r) + np.abs(col - c)).argmin()] for r, c in ends], dtype=np.intp)
    elsewhere = ~np.isin(situations.square, corners)
    return situations.nearer(corners[None]) & elsewhere[:, None]


def _quadrant(situations: Situations, _: str) -> Answers:
    half = situations.config.grid.half
    top, bottom, left, right = (half(side)[situations.square] for side in ("top", "bottom", "left", "right"))
    return np.stack([top & left, top & right, bottom & left, bottom & right], axis=1)


def _watched(situations: Situations, _: str) -> Answers:
    watched = situations.state.overseen.any(axis=1)
    return np.stack([watched, ~watched], axis=1)


def _unwanted(config: EnvConfig) -> list[str]:
    return [kind for kind, value in zip(config.kinds, config.values, strict=True) if value < 0]


TASKS: Registry[Task] = Registry("task", "oversight_gym.tasks")
"""Tasks by name; ``reach`` and ``avoid`` are followed by a kind of terminal, as in ``reach-diamond``."""

TASKS.register("reach", Task("move towards a terminal of the kind, the others aside", _reach, lambda c: c.kinds))
TASKS.register("avoid", Task("beside a terminal of the kind, move elsewhere", _avoid, _unwanted))
TASKS.register("reach-corner", Task("move towards the nearest corner", _corner))
TASKS.register("quadrant", Task("name the quadrant that the agent is in", _quadrant, balanced=True))
TASKS.register("watched", Task("tell whether any terminal is under oversight", _watched, balanced=True))


def tasks_of(config: EnvConfig) -> dict[str, tuple[Task, str]]:
    """The tasks in an environment by their full names, each with its kind of terminal, if it is of one."""
    found: dict[str, tuple[Task, str]] = {}
    for name, task in TASKS.items():
        if task.kinds is None:
            found[name] = task, ""
        else:
            found |= {f"{name}-{kind}": (task, kind) for kind in task.kinds(config)}
    return found


@dataclass(frozen=True)
class Data:
    """Situations of a task as a policy reads them, and the right answers.

    Attributes:
        name: of the task.
        features: shape (n, features), float32, what the experts read.
        right: shape (n, outputs), bool.
    """

    name: str
    features: Tensor
    right: Tensor

    @property
    def chance(self) -> float:
        """How often the best answer is right that is always the same."""
        return float(self.right.float().mean(dim=0).max())

    def split(self, first: int) -> tuple["Data", "Data"]:
        """The first situations, and the others."""
        parts = zip(self.features.tensor_split([first]), self.right.tensor_split([first]), strict=True)
        one, other = (Data(self.name, features, right) for features, right in parts)
        return one, other


def draw_data(name: str, policy: GatedMixturePolicy, config: EnvConfig, n: int, rng: np.random.Generator) -> Data:
    """Situations of a task, drawn as episodes begin.

    Args:
        name: of the task, for example ``reach-diamond``.
        policy: that reads them.
        config: of the environment.
        n: how many.
        rng: of the draws.

    Raises:
        RequestError: if there is no such task, or no such situations in this world.
    """
    task, kind = choose("task", name, tasks_of(config))
    observed, right = [], []
    for _ in range(TRIES):
        situations = Situations(config, draw_state(config, rng, n))
        answers = task.answers(situations, kind)
        part = answers.any(axis=1)
        observed.append(config.view_part.observe(config.world, situations.state)[part])
        right.append(answers[part])
        every = np.concatenate(right)
        counts = every.sum(axis=0)
        if len(every) >= n and (not task.balanced or counts[counts > 0].min() * (counts > 0).sum() >= n):
            break
    counts = every.sum(axis=0) if len(every) else np.zeros(1)
    wanted = -(-n // max(1, int((counts > 0).sum()))) if task.balanced else n
    chosen = np.arange(len(every))
    if task.balanced:
        chosen = np.sort(np.concatenate([np.flatnonzero(column)[:wanted] for column in every.T]))
    if len(chosen) < n or (counts > 0).sum() < 2:
        raise RequestError(f"this world has too few situations for the task {name}; choose another one.")
    chosen = rng.permutation(chosen)[:n]
    obs, _ = policy.obs_to_tensor(np.concatenate(observed)[chosen])
    assert isinstance(obs, Tensor)
    with torch.no_grad():
        return Data(name, dense(policy.policy_features(obs)), torch.from_numpy(every[chosen]))

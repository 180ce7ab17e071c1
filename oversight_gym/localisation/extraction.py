"""Extraction: which units of a trained policy hold a task, by the extractor and by the usual answers, at equal size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.evaluation.shown import Shown
from oversight_gym.localisation.assister import Bench, Tuning
from oversight_gym.localisation.extractor import Trained, Training, descriptions, in_order, train_extractor
from oversight_gym.localisation.scores import SCORES, top_masks
from oversight_gym.localisation.tasks import draw_data, tasks_of
from oversight_gym.localisation.units import Cluster, Units, check_size, overlap

if TYPE_CHECKING:
    from rich.console import RenderableType

HELD_OUT = "quadrant"
EXTRACTOR, CONTRAST = "extractor", "attribution contrast"
SIZES = (8, 16, 32, 64, 128, 256)
"""Units of a subnet, where the policy has more."""
SITUATIONS, TRAINED_ON = 448, 256
"""Of each task, and those of them that assisters are fine-tuned on; they are judged in the others."""
_CONTRAST = 4
"""Where ``descriptions`` has the difference of a task's attribution and its distractors'."""


@dataclass(frozen=True)
class Row:
    """What one subnet is good for.

    Attributes:
        task: that it was picked for.
        picker: what picked it.
        size: its number of units.
        performance: on the task, above chance; 1 is the most.
        distracted: on the other tasks, on average.
        within: the share of its units that belong to each expert; empty for a policy of one network.
    """

    task: str
    picker: str
    size: int
    performance: float
    distracted: float
    within: Mapping[str, float]


@dataclass(frozen=True, repr=False)
class Extraction(Shown):
    """Subnets of one policy for some tasks.

    Attributes:
        units: of the policy.
        held_out: the task that the extractor was not trained on.
        trained: the extractor.
        rows: one per task, picker and size.
        own_size: how many units the extractor picks by itself for each task, expected.
        picked: the subnets of every task that each picker picks at one size.
        chance: the share of the units that belong to each expert: what picking at random gives.
    """

    units: Units
    held_out: str
    trained: Trained
    rows: tuple[Row, ...]
    own_size: Mapping[str, float]
    picked: Mapping[str, Sequence[Cluster]]
    chance: Mapping[str, float]

    @cached_property
    def overlaps(self) -> dict[str, NDArray[np.float64]]:
        """Of each picker, the Jaccard index of every two tasks' subnets."""
        return {picker: overlap(clusters) for picker, clusters in self.picked.items()}

    def mean_overlap(self, picker: str) -> float:
        """Between the subnets of different tasks."""
        matrix = self.overlaps[picker]
        return float(matrix[~np.eye(len(matrix), dtype=bool)].mean())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        tasks = [cluster.name for cluster in next(iter(self.picked.values()))]
        return {
            "units": len(self.units),
            "held_out": self.held_out,
            "own_size": dict(self.own_size),
            "chance": dict(self.chance),
            "rows": [row_values(row) for row in self.rows],
            "overlap": {
                "size": len(next(iter(self.picked.values()))[0]),
                "tasks": tasks,
                **{picker: matrix.tolist() for picker, matrix in self.overlaps.items()},
            },
            "training": {"rewards": self.trained.rewards, "shares": self.trained.shares},
        }

    def _shown(self) -> "list[RenderableType]":
        from rich import box
        from rich.table import Table

        tables: list[RenderableType] = []
        for task in dict.fromkeys(row.task for row in self.rows):
            unseen = " (the extractor was not trained on it)" if task == self.held_out else ""
            table = Table(title=f"Subnets for {task}{unseen}", title_justify="left", box=box.SIMPLE_HEAD)
            table.add_column("picked by", no_wrap=True)
            headings = ["units", "on the task", "on the others", *(f"in {name}" for name in self.chance)]
            for heading in headings:
                table.add_column(heading, justify="right")
            for picker in dict.fromkeys(row.picker for row in self.rows):
                own = [row for row in self.rows if (row.task, row.picker) == (task, picker)]
                for row in own:
                    numbers = (f"{row.performance:.2f}", f"{row.distracted:.2f}")
                    inside = (f"{share:.0%}" for share in row.within.values())
                    table.add_row(picker, str(row.size), *numbers, *inside, end_section=row is own[-1])
            tables.append(table)
        chance = ", ".join(f"{share:.0%} in {name}" for name, share in self.chance.items())
        said = f"By chance: {chance}." if chance else "The policy has one network, so there is no expert to recover."
        sizes = ", ".join(f"{task} {size:.0f}" for task, size in self.own_size.items())
        size, units = len(next(iter(self.picked.values()))[0]), len(self.units)
        means = ", ".join(f"{picker} {self.mean_overlap(picker):.2f}" for picker in self.picked)
        return [
            *tables,
            f"{said} Performance is the share of right answers above chance, 1 for all.",
            f"Units that the extractor picks by itself, of {units}: {sizes}.",
            f"Mean overlap of two tasks' subnets of {size} units: {means}; by chance {size / (2 * units - size):.2f}.",
        ]


def row_values(row: Row) -> dict[str, Any]:
    """A row as flat, plain JSON; the share in each expert as ``within_EXPERT``."""
    values = {name: value for name, value in vars(row).items() if name != "within"}
    return values | {f"within_{name}": share for name, share in row.within.items()}


def sizes_for(units: int, asked: Sequence[int] = ()) -> list[int]:
    """The sizes of subnets: those asked for, or those of ``SIZES`` that the policy is larger than.

    Raises:
        RequestError: if it has not so many units.
    """
    if asked:
        return sorted({check_size(size, units) for size in asked})
    return [size for size in SIZES if size < units] or [1]


def extract(
    policy: GatedMixturePolicy,
    config: EnvConfig,
    tasks: Sequence[str],
    *,
    held_out: str | None = None,
    sizes: Sequence[int] = (),
    how: Training | None = None,
    tuning: Tuning | None = None,
    seed: int = 0,
    done: Callable[[int], None] = lambda passed: None,
) -> Extraction:
    """Train an extractor on a policy, and pick subnets for tasks with it and with every one of ``SCORES``.

    Args:
        policy: frozen; it is read, not changed.
        config: of the environment.
        tasks: that subnets are picked for.
        held_out: task that the extractor is not trained on, and that is none of the distractors in its training; None
            for ``HELD_OUT``, or the last task where this world does not have that.
        sizes: of the subnets; of none, see ``SIZES``.
        how: the extractor is trained; None for ``Training()``.
        tuning: of the assisters; None for ``Tuning()``.
        seed: of situations and every other draw.
        done: called after every pass through the tasks.

    Raises:
        RequestError: if there is no such task in this world, a size is larger than the network, or too few tasks are
            left to train on.
    """
    known, how, tuning = tasks_of(config), how or Training(), tuning or Tuning()
    asked = [*tasks, *([] if held_out is None else [held_out])]
    for name in asked:
        choose("task", name, known)
    units, rng = Units.of(policy), np.random.default_rng([seed, 1])
    wanted_sizes = sizes_for(len(units), sizes)
    parameters = [parameter for layer in units.layers for parameter in layer.linear.parameters()]
    frozen = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        benches: dict[str, Bench] = {}
        for name in known:
            try:
                benches[name] = Bench.of(units, draw_data(name, policy, config, SITUATIONS, rng), TRAINED_ON)
            except RequestError:  # a world may lack the situations of a task
                if name in asked:
                    raise
        held_out = held_out or (HELD_OUT if HELD_OUT in benches else next(reversed(benches), HELD_OUT))
        seen = [bench for name, bench in benches.items() if name != held_out]
        if len(seen) < 2:
            raise RequestError(
                f"this world has {len(seen)} task(s) beside {held_out}; an extractor needs two to train on."
            )
        trained = train_extractor(descriptions(policy, seen, tuning, seed), seen, how, tuning, seed, done)
        described = descriptions(policy, [*seen, benches[held_out]], tuning, seed)
        with torch.no_grad():
            odds = dict(zip((*(bench.name for bench in seen), held_out), trained.extractor(described), strict=True))
        contrast = dict(zip(odds, described[..., _CONTRAST], strict=True))
        scores = {
            name: {EXTRACTOR: in_order(units, odds[name]), CONTRAST: contrast[name]}
            | {kind: score(policy, benches[name], tuning, _generator(seed, 2, place)) for kind, score in SCORES.items()}
            for place, name in enumerate(benches)
        }
        rows = [
            row
            for name in tasks
            for picker, values in scores[name].items()
            for row in _rows(name, picker, top_masks(values, wanted_sizes), benches, tuning, _generator(seed, 3))
        ]
    finally:
        for parameter, needed in zip(parameters, frozen, strict=True):
            parameter.requires_grad_(needed)
    middle = wanted_sizes[len(wanted_sizes) // 2]
    picked = {
        picker: [_cluster(name, top_masks(scores[name][picker], [middle])[0]) for name in benches]
        for picker in (EXTRACTOR, CONTRAST, *SCORES)
    }
    own_size = {name: float(values.sigmoid().sum()) for name, values in odds.items()}
    return Extraction(units, held_out, trained, tuple(rows), own_size, picked, _within(units, torch.ones(len(units))))


def _generator(*stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.default_rng(stream).integers(2**63)))


def _cluster(name: str, mask: Tensor) -> Cluster:
    return Cluster(name, mask.bool().numpy())


def _within(units: Units, mask: Tensor) -> dict[str, float]:
    """The share of picked units (units,) in each expert; empty where there is one network."""
    if len(units.networks) == 1:
        return {}
    members = {name: torch.from_numpy(units.of_network(name)).float() for name in units.networks}
    return {name: float((mask * own).sum() / mask.sum()) for name, own in members.items()}


def _rows(
    task: str, picker: str, masks: Tensor, benches: Mapping[str, Bench], tuning: Tuning, generator: torch.Generator
) -> list[Row]:
    found = {name: bench.performance(masks, tuning, generator) for name, bench in benches.items()}
    others = torch.stack([performance for name, performance in found.items() if name != task]).mean(dim=0)
    return [
        Row(task, picker, int(mask.sum()), float(own), float(other), _within(benches[task].units, mask))
        for mask, own, other in zip(masks, found[task], others, strict=True)
    ]

"""The extractor: trained by reinforcement learning to pick, for any task, the units of a frozen policy that hold it.

It sees every unit by a few numbers that mean the same for every task and says with which probability the unit is
picked. So it can be asked about tasks that it was not trained on. The reward of a draw of units is

    performance on the task - a * mean performance on the distractors - b * share of the units picked - c * overlap

with performances of assisters that are fine-tuned on each (see ``assister``), and the overlap with what is picked for
the other tasks. Tasks are cycled and b rises from 0. The first two terms are drawn, and their gradient is REINFORCE's,
each draw against the mean of the others; the last two have a gradient of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs.fields import Checked, Count, NotNegative, Positive, Probability
from oversight_gym.localisation.assister import Bench, Tuning
from oversight_gym.localisation.intervene import activations
from oversight_gym.localisation.scores import attribution, between, by_depth, magnitude
from oversight_gym.localisation.units import Units

WIDTH = 32
"""Of the extractor's hidden layer."""


@dataclass(frozen=True)
class Training(Checked):
    """How an extractor is trained.

    Raises:
        RequestError: if a value is impossible.
    """

    passes: Count = 60
    """Passes through the tasks."""
    draws: Annotated[int, Meta(ge=2, le=4096)] = 12
    """Subnets drawn for each task in a pass."""
    distracted_by: Count = 2
    """Distractors that a task is held against in a pass, drawn among the other tasks."""
    tuned: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Adam steps of the assisters while the extractor trains; with none only their last layer is fitted."""
    learning_rate: Positive = 0.01
    """Adam's learning rate."""
    distractors: NotNegative = 0.5
    """a: weight of the mean performance on the distractors."""
    size: NotNegative = 1.0
    """b: cost of picking every unit, at the end of training; it rises from 0."""
    diversity: NotNegative = 0.1
    """c: weight of the overlap with the subnets of the other tasks."""
    picked: Probability = 0.25
    """Share of the units that is picked at first."""


def descriptions(policy: GatedMixturePolicy, benches: Sequence[Bench], tuning: Tuning, seed: int) -> Tensor:
    """What the extractor sees of every unit for each task, the others being its distractors: (tasks, units, numbers).

    The magnitude and the depth; attribution and the variance between answers, each of the task, of its distractors on
    average, and the difference. All but the depth as ranks, evenly from -1 to 1.
    """
    units = benches[0].units
    depths = torch.cat([torch.full((layer.width,), float(layer.depth)) for layer in units.layers])
    columns: list[list[Tensor]] = [[], []]
    for bench in benches:
        generator = torch.Generator().manual_seed(seed)
        columns[0].append(attribution(policy, bench, tuning, generator))
        with torch.no_grad():
            held = activations(units, bench.train.features)
        columns[1].append(between(units, held, bench.train.right))
    strong = _ranks(magnitude(policy, benches[0], tuning, torch.Generator()))
    found = []
    for index in range(len(benches)):
        numbers = [strong, depths / max(1.0, float(depths.max())) * 2 - 1]
        for column in columns:
            relative = [by_depth(units, values) for values in column]
            others = [values for other, values in enumerate(relative) if other != index]
            distracted = torch.stack(others).mean(dim=0) if others else torch.zeros_like(relative[index])
            numbers += map(_ranks, (relative[index], distracted, relative[index] - distracted))
        found.append(torch.stack(numbers, dim=1))
    return torch.stack(found)


def _ranks(values: Tensor) -> Tensor:
    """Ranks of values (units,), evenly from -1 to 1."""
    return values.argsort(stable=True).argsort() / max(1, len(values) - 1) * 2 - 1


class Extractor(nn.Module):
    """From the numbers of units (..., units, numbers) to the log odds (..., units) that each is picked.

    Args:
        numbers: of each unit.
        picked: share of the units that is picked at first.
        generator: of the first weights.
    """

    def __init__(self, numbers: int, picked: float, generator: torch.Generator) -> None:
        super().__init__()
        hidden, odds = nn.Linear(numbers, WIDTH), nn.Linear(WIDTH, 1)
        with torch.no_grad():
            hidden.weight.copy_(torch.randn(WIDTH, numbers, generator=generator) / numbers**0.5)
            hidden.bias.copy_(torch.randn(WIDTH, generator=generator))
            odds.weight.zero_()
            odds.bias.fill_(float(torch.tensor(picked).clamp(1e-3, 1 - 1e-3).logit()))
        self.network = nn.Sequential(hidden, nn.Tanh(), odds)

    def forward(self, numbers: Tensor) -> Tensor:
        """The log odds."""
        odds: Tensor = self.network(numbers)
        return odds[..., 0]


def in_order(units: Units, odds: Tensor) -> Tensor:
    """A score per unit by which subnets of any size take as much of each depth as the extractor would.

    The best units of every depth take turns, in proportion to how many of that depth are picked on average; by the odds
    alone a small subnet may lack a whole depth and do nothing.

    Args:
        units: of the policy.
        odds: log odds that each is picked, shape (units,).
    """
    depths = torch.cat([torch.full((layer.width,), layer.depth) for layer in units.layers])
    chances, scores = odds.sigmoid(), torch.empty_like(odds)
    for depth in range(int(depths.max()) + 1):
        own = torch.nonzero(depths == depth)[:, 0]
        rank = (-odds[own]).argsort(stable=True).argsort()
        scores[own] = -(rank + 0.5) / chances[own].sum()
    return scores


def overlaps(chances: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The mean overlap of units picked with these chances (units,) with others: expected both over expected either."""
    if not others:
        return chances.new_zeros(())
    both = torch.stack([(chances * other).sum() / (chances + other - chances * other).sum() for other in others])
    return both.mean()


@dataclass(frozen=True)
class Trained:
    """An extractor and how its training went.

    Attributes:
        extractor: the trained extractor.
        rewards: the mean reward of each pass.
        shares: the mean share of units picked in each pass.
    """

    extractor: Extractor
    rewards: tuple[float, ...]
    shares: tuple[float, ...]


def rewarded(
    index: int, masks: Tensor, benches: Sequence[Bench], how: Training, tuning: Tuning, generator: torch.Generator
) -> Tensor:
    """Performance on a task less ``a`` times the mean of some distractors, for masks (m, units): shape (m,)."""
    others = [bench for other, bench in enumerate(benches) if other != index]
    drawn = torch.randperm(len(others), generator=generator)[: how.distracted_by].tolist()
    reward = benches[index].performance(masks, tuning, generator)
    for which in drawn:
        reward = reward - how.distractors / len(drawn) * others[which].performance(masks, tuning, generator)
    return reward


def train_extractor(
    described: Tensor,
    benches: Sequence[Bench],
    how: Training,
    tuning: Tuning,
    seed: int,
    done: Callable[[int], None] = lambda passed: None,
) -> Trained:
    """Train an extractor on tasks, each with the others for distractors.

    Args:
        described: the tasks' :func:`descriptions`.
        benches: the tasks.
        how: to train.
        tuning: of the assisters, but for their steps, which ``how`` gives.
        seed: of every draw.
        done: called after every pass through the tasks.
    """
    generator, tuning = torch.Generator().manual_seed(seed), replace(tuning, steps=how.tuned)
    extractor = Extractor(described.shape[-1], how.picked, generator)
    optimizer = torch.optim.Adam(extractor.parameters(), lr=how.learning_rate)
    rewards, shares = [], []
    for passed in range(how.passes):
        cost = how.size * passed / how.passes
        odds = extractor(described)
        chances = odds.sigmoid()
        loss, of_pass = odds.new_zeros(()), []
        for index in range(len(benches)):
            masks = torch.bernoulli(chances[index].detach().expand(how.draws, -1), generator=generator)
            reward = rewarded(index, masks, benches, how, tuning, generator)
            advantage = (reward - reward.mean()) * how.draws / (how.draws - 1)
            log_chance = -nn.functional.softplus(torch.where(masks > 0, -odds[index], odds[index])).sum(dim=1)
            others = [chances[other].detach() for other in range(len(benches)) if other != index]
            known = cost * chances[index].mean() + how.diversity * overlaps(chances[index], others)
            loss = loss - (advantage * log_chance).mean() + known
            of_pass.append(reward.mean() - known.detach())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(extractor.parameters(), 1.0)
        optimizer.step()
        rewards.append(float(torch.stack(of_pass).mean()))
        shares.append(float(chances.detach().mean()))
        done(passed + 1)
    return Trained(extractor, tuple(rewards), tuple(shares))

"""How much a task wants each unit of a policy: the usual answers, which rank units for subnets of any size."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.localisation.assister import Bench, Fresh, Tuning, cross_entropy
from oversight_gym.localisation.units import Units

Score = Callable[[GatedMixturePolicy, Bench, Tuning, torch.Generator], Tensor]
"""A score per unit, shape (units,), higher for units that a subnet should rather have."""


def by_depth(units: Units, values: Tensor) -> Tensor:
    """Values of units (units,) over their mean among the units of the same depth, so that no depth is left out."""
    depths = torch.cat([torch.full((layer.width,), layer.depth) for layer in units.layers])
    means = torch.zeros(int(depths.max()) + 1).index_add_(0, depths, values) / depths.bincount()
    return values / means.clamp(min=1e-12)[depths]


def magnitude(policy: GatedMixturePolicy, bench: Bench, tuning: Tuning, generator: torch.Generator) -> Tensor:
    """The norm of the weights that lead into a unit times that of those that lead out of it, whatever the task."""
    head = policy.action_net
    assert isinstance(head, nn.Linear)
    layers, found = bench.units.layers, []
    for number, layer in enumerate(layers):
        last = number + 1 == len(layers) or layers[number + 1].depth == 0
        following = head.weight if last else layers[number + 1].linear.weight
        found.append(layer.linear.weight.norm(dim=1) * following.norm(dim=0))
    return by_depth(bench.units, torch.cat(found).detach())


def attribution(policy: GatedMixturePolicy, bench: Bench, tuning: Tuning, generator: torch.Generator) -> Tensor:
    """The mean size, over situations, of a unit's output times the slope of the task's loss by it.

    In the assister of the whole policy, fine-tuned on the task: to first order what silencing the unit would change
    (Molchanov et al., arXiv 1906.10771).
    """
    units, train = bench.units, bench.train
    fresh = bench.tuned(torch.ones(1, 1, len(units)), tuning, generator)
    factors = torch.ones(1, len(train.right), len(units), requires_grad=True)
    loss = cross_entropy(bench.logits(factors, fresh, train), train.right).sum()
    (slope,) = torch.autograd.grad(loss, factors)
    return by_depth(units, slope[0].abs().mean(dim=0))


def random(policy: GatedMixturePolicy, bench: Bench, tuning: Tuning, generator: torch.Generator) -> Tensor:
    """No reason at all."""
    return torch.rand(len(bench.units), generator=generator)


@dataclass(frozen=True)
class HardConcrete:
    """Masks learnt with an L0 penalty through the hard concrete distribution (Louizos et al., arXiv 1712.01312).

    Attributes:
        steps: of Adam, on all situations at once.
        rate: Adam's.
        penalty: what a unit costs in the end; it rises from 0.
        temperature, low, high: of the distribution, as in the paper.
    """

    steps: int = 200
    rate: float = 0.05
    penalty: float = 0.01
    temperature: float = 2 / 3
    low: float = -0.1
    high: float = 1.1

    def __call__(self, policy: GatedMixturePolicy, bench: Bench, tuning: Tuning, generator: torch.Generator) -> Tensor:
        """The log odds of each unit."""
        units, train = bench.units, bench.train
        fresh = bench.begun(torch.ones(1, 1, len(units)), tuning, generator)
        odds = torch.full((len(units),), 2.0, requires_grad=True)
        learnt = [odds, *(tensor.requires_grad_() for tensor in fresh)]
        optimizer = torch.optim.Adam([{"params": [odds], "lr": self.rate}, {"params": learnt[1:], "lr": tuning.rate}])
        for step in range(self.steps):
            uniform = torch.rand(len(units), generator=generator).clamp(1e-6, 1 - 1e-6)
            open_ = torch.sigmoid((uniform.logit() + odds) / self.temperature)
            masks = (open_ * (self.high - self.low) + self.low).clamp(0, 1)[None, None]
            loss = cross_entropy(bench.logits(masks, Fresh(*learnt[1:]), train), train.right).mean()
            active = torch.sigmoid(odds - self.temperature * math.log(-self.low / self.high)).sum()
            optimizer.zero_grad()
            (loss + self.penalty * step / self.steps * active).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return odds.detach()


SCORES: Mapping[str, Score] = {
    "magnitude": magnitude,
    "attribution": attribution,
    "hard concrete": HardConcrete(),
    "random": random,
}
"""What extraction is compared with at equal size."""


def top_masks(scores: Tensor, sizes: list[int]) -> Tensor:
    """The units of the highest scores (units,), of each size, the first of equals: shape (sizes, units), float32."""
    order = torch.argsort(scores, descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return (rank < torch.tensor(sizes)[:, None]).float()


def between(units: Units, values: Tensor, right: Tensor) -> Tensor:
    """How much of the variance of each unit, shape (units,), lies between situations of different right answers.

    Args:
        units: of the policy.
        values: what they hold, shape (n, units).
        right: shape (n, outputs), bool.
    """
    spread = values - values.mean(dim=0)
    total = spread.square().sum(dim=0)
    answers = right.float() @ (2.0 ** torch.arange(right.shape[1]))
    _, group = answers.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    sums = torch.zeros(int(group.max()) + 1, len(units)).index_add_(0, group, spread)
    explained = (sums.square() / group.bincount()[:, None]).sum(dim=0)
    return torch.where(total > 0, explained / total.clamp(min=1e-12), 0.0)

"""The assister: a network around a subnet of a frozen policy, fine-tuned on a task to tell what the subnet is good for.

Encoder (the policy's own reading of an observation), fresh layers, subnet, fresh layers. The subnet is the policy's
hidden layers with every unit silent that was not picked. The first fresh layers add a map of low rank to what the
subnet reads, and begin at 0; the last one is linear, begins with the least squares solution on the task, and reads
the subnet's last layers. Many subnets are fine-tuned at once, as one batch of matrices.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from oversight_gym.localisation.tasks import Data
from oversight_gym.localisation.units import Units

SHARPNESS = 4.0
"""From least squares answers, about 1 where they are sure, to logits."""


@dataclass(frozen=True)
class Tuning:
    """How assisters are fine-tuned.

    Attributes:
        steps: of Adam, on all situations at once.
        rate: Adam's.
        rank: of the first fresh layers.
        ridge: penalty of the least squares, per situation, on units scaled to a mean square of 1.
    """

    steps: int = 2
    rate: float = 0.003
    rank: int = 4
    ridge: float = 0.01


class Fresh(NamedTuple):
    """The fresh layers of m assisters.

    Attributes:
        down: shape (m, features, rank), of the first layers.
        up: shape (m, rank, features).
        head: shape (m, last units, outputs).
        bias: shape (m, 1, outputs).
    """

    down: Tensor
    up: Tensor
    head: Tensor
    bias: Tensor


def subnet_outputs(
    units: Units, masks: Tensor, features: Tensor, down: Tensor | None = None, up: Tensor | None = None
) -> Tensor:
    """What the last layers of subnets hold, side by side, shape (m, n, last units).

    Args:
        units: of the policy.
        masks: shape (m, 1 or n, units), 1 for a unit that is picked, 0 for one that is silent.
        features: shape (n, features).
        down, up: the first fresh layers, see :class:`Fresh`; None for none.
    """
    own = units.split(masks)
    shift = None if down is None or up is None else features @ down
    values: dict[str, Tensor] = {}
    for number, layer in enumerate(units.layers):
        before = layer.linear(values.get(layer.network, features))
        if layer.depth == 0 and shift is not None and up is not None:
            before = before + shift @ linear(up, layer.linear.weight)
        values[layer.network] = layer.activation(before) * own[number]
    return torch.cat(list(values.values()), dim=-1)


def _least_squares(held: Tensor, right: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Head and bias of the linear answers, for what subnets hold (m, n, last units)."""
    wanted = right.float() / right.sum(dim=1, keepdim=True)
    mean, middle = held.mean(dim=1, keepdim=True), wanted.mean(dim=0)
    centred = held - mean
    gram = centred.mT @ centred
    gram.diagonal(dim1=1, dim2=2).add_(ridge * held.shape[1])
    head = torch.linalg.solve(gram, centred.mT @ (wanted - middle))
    return head, middle - mean @ head


def cross_entropy(logits: Tensor, right: Tensor) -> Tensor:
    """Minus the log of the probability of a right answer, for logits (..., n, outputs), shape (..., n)."""
    allowed = logits.masked_fill(~right, -torch.inf)
    return logits.logsumexp(dim=-1) - allowed.logsumexp(dim=-1)


@dataclass(frozen=True)
class Bench:
    """A task on which subnets of one policy are tried.

    Attributes:
        units: of the policy, which is never changed.
        train: situations that assisters are fine-tuned on.
        test: situations that they are judged in.
        scale: the root mean square of what the last layers' units hold in the whole network.
    """

    units: Units
    train: Data
    test: Data
    scale: float

    @classmethod
    def of(cls, units: Units, data: Data, trained_on: int) -> "Bench":
        """From data of which the first situations are for training."""
        train, test = data.split(trained_on)
        with torch.no_grad():
            held = subnet_outputs(units, torch.ones(1, 1, len(units)), train.features)[0]
        return cls(units, train, test, max(float(held.square().mean().sqrt()), 1e-6))

    @property
    def name(self) -> str:
        """Of the task."""
        return self.train.name

    def logits(self, masks: Tensor, fresh: Fresh, data: Data) -> Tensor:
        """Of assisters, shape (m, n, outputs), for masks as in :func:`subnet_outputs`."""
        held = subnet_outputs(self.units, masks, data.features, fresh.down, fresh.up) / self.scale
        return held @ fresh.head + fresh.bias

    def begun(self, masks: Tensor, tuning: Tuning, generator: torch.Generator) -> Fresh:
        """The fresh layers as they begin, for masks (m, 1, units)."""
        features, count = self.train.features.shape[1], len(masks)
        with torch.no_grad():
            held = subnet_outputs(self.units, masks, self.train.features) / self.scale
            head, bias = _least_squares(held, self.train.right, tuning.ridge)
        down = torch.randn(count, features, tuning.rank, generator=generator) / features**0.5
        return Fresh(down, torch.zeros(count, tuning.rank, features), SHARPNESS * head, SHARPNESS * bias)

    def tuned(self, masks: Tensor, tuning: Tuning, generator: torch.Generator) -> Fresh:
        """The fresh layers of assisters, fine-tuned on the task, for masks (m, 1, units)."""
        fresh = self.begun(masks, tuning, generator)
        if not tuning.steps:
            return fresh
        fresh = Fresh(*(tensor.requires_grad_() for tensor in fresh))
        optimizer = torch.optim.Adam(fresh, lr=tuning.rate)
        for _ in range(tuning.steps):
            loss = cross_entropy(self.logits(masks, fresh, self.train), self.train.right).mean(dim=1).sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss, inputs=list(fresh))
            optimizer.step()
        return Fresh(*(tensor.detach() for tensor in fresh))

    def performance(self, masks: Tensor, tuning: Tuning, generator: torch.Generator) -> Tensor:
        """How well fine-tuned assisters do where they were not trained.

        Args:
            masks: shape (m, units).
            tuning: how they are fine-tuned.
            generator: of the fresh layers.

        Returns:
            shape (m,): the share of right answers above chance, 1 for all, 0 for as many as one constant answer gives.
        """
        rows = masks.float()[:, None]
        fresh = self.tuned(rows, tuning, generator)
        with torch.no_grad():
            chosen = self.logits(rows, fresh, self.test).argmax(dim=-1)
            right = self.test.right.gather(1, chosen.T).float().mean(dim=0)
        return (right - self.test.chance) / max(1 - self.test.chance, 1e-9)

"""The hidden units of a trained policy, numbered, and clusters of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import check_known


class HiddenLayer(NamedTuple):
    """A hidden layer of one of the actor's networks.

    Attributes:
        network: the expert's name; the single network's where there is but one.
        depth: 0 for the first layer of the network.
        linear: what gives the values before the nonlinearity.
        activation: the nonlinearity.
        numbers: of its units.
    """

    network: str
    depth: int
    linear: nn.Linear
    activation: nn.Module
    numbers: slice

    @property
    def width(self) -> int:
        """Number of units."""
        return int(self.numbers.stop - self.numbers.start)


@dataclass(frozen=True, eq=False)
class Units:
    """Every hidden unit of the networks that choose the actions: the experts, or the single network.

    The gate and the value network have no part in it. Units are numbered network by network, layer by layer.

    Attributes:
        layers: in the order of the numbers.
    """

    layers: tuple[HiddenLayer, ...]

    @classmethod
    def of(cls, policy: GatedMixturePolicy) -> "Units":
        """The units of a policy.

        Raises:
            RequestError: if it has no hidden layer.
        """
        layers: list[HiddenLayer] = []
        for name, network in policy.mixture.experts.items():
            modules: list[nn.Module | None] = [*network.children(), None]
            hidden = [(one, after) for one, after in pairwise(modules) if isinstance(one, nn.Linear)]
            for depth, (linear, after) in enumerate(hidden):
                follows = after if after is not None and not isinstance(after, nn.Linear) else nn.Identity()
                first = layers[-1].numbers.stop if layers else 0
                layers.append(HiddenLayer(name, depth, linear, follows, slice(first, first + linear.out_features)))
        if not layers:
            raise RequestError("the policy has no hidden layer, so it has no units; train one with `layers`.")
        return cls(tuple(layers))

    def __len__(self) -> int:
        return int(self.layers[-1].numbers.stop)

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks, in order."""
        return tuple(dict.fromkeys(layer.network for layer in self.layers))

    def of_network(self, network: str) -> NDArray[np.bool_]:
        """Which units belong to a network, shape (units,).

        Raises:
            RequestError: if there is no such network.
        """
        check_known(network, self.networks, "an expert of this policy")
        return np.repeat([layer.network == network for layer in self.layers], [layer.width for layer in self.layers])

    def name(self, number: int) -> str:
        """What a unit is called: network, layer from 1 on, and index in it, for example ``diamond/2/17``."""
        layer = next(layer for layer in self.layers if number < layer.numbers.stop)
        return f"{layer.network}/{layer.depth + 1}/{number - layer.numbers.start}"

    def split(self, values: Tensor) -> list[Tensor]:
        """Values of all units (..., units) as one tensor (..., width) per layer."""
        return list(torch.split(values, [layer.width for layer in self.layers], dim=-1))


@dataclass(frozen=True, eq=False)
class Cluster:
    """Some units of a policy.

    Attributes:
        name: what it is called.
        members: shape (units,), bool.
    """

    name: str
    members: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.members.sum())


def top(name: str, scores: NDArray[np.float64], size: int) -> Cluster:
    """The units with the highest scores (units,), the first of equals."""
    members = np.zeros(len(scores), dtype=bool)
    members[np.argsort(-scores, kind="stable")[: check_size(size, len(scores))]] = True
    return Cluster(name, members)


def random_cluster(name: str, units: int, size: int, rng: np.random.Generator) -> Cluster:
    """So many units, each equally likely to be among them."""
    members = np.zeros(units, dtype=bool)
    members[rng.choice(units, check_size(size, units), replace=False)] = True
    return Cluster(name, members)


def check_size(size: int, units: int) -> int:
    """The size of a cluster in a network of so many hidden units.

    Raises:
        RequestError: if there are not so many.
    """
    if not 1 <= size <= units:
        raise RequestError(f"size is {size}, but the policy has {units} hidden units; give a number from 1 to {units}.")
    return size


def overlap(clusters: Sequence[Cluster]) -> NDArray[np.float64]:
    """Jaccard index of every two clusters, shape (clusters, clusters): units in both over units in either."""
    members = np.stack([cluster.members for cluster in clusters]).astype(np.float64)
    both = members @ members.T
    sizes = members.sum(axis=1)
    either: NDArray[np.float64] = sizes[:, None] + sizes - both
    return np.divide(both, either, out=np.ones_like(both), where=either > 0)

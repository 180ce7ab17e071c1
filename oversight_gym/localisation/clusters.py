"""Clusters of units to impair, each for the kind of terminal that it is thought to serve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.localisation.local_skill import LocalSkill, Statistics, contrast
from oversight_gym.localisation.shapley import Values, shapley
from oversight_gym.localisation.units import Cluster, Units, check_size, random_cluster, top


@dataclass(frozen=True, eq=False)
class TopicCluster(Cluster):
    """A cluster that some way of finding holds to serve a kind.

    Attributes:
        found_by: a name in ``FINDERS``, or ``random``.
        topic: index of the kind; None for random clusters, and for an expert that is named after no kind.
    """

    found_by: str = "random"
    topic: int | None = None


@dataclass(frozen=True, eq=False)
class Search:
    """What a way of finding clusters may look at.

    Attributes:
        units: of the policy.
        kinds: names of the kinds of terminals.
        size: of the clusters to find.
        statistics: of the units' activations.
        local: the local skills.
        rng: of whatever is drawn.
        orders: that the sampling of Shapley values may take.
    """

    units: Units
    kinds: tuple[str, ...]
    size: int
    statistics: Statistics
    local: LocalSkill
    rng: np.random.Generator
    orders: int


def _best(name: str, search: Search, scores: Values) -> list[TopicCluster]:
    """The best units for each kind, by scores (units, kinds)."""
    return [
        TopicCluster(f"{name} {kind}", top(kind, scores[:, topic], search.size).members, name, topic)
        for topic, kind in enumerate(search.kinds)
    ]


def _experts(search: Search) -> list[TopicCluster]:
    networks = search.units.networks
    if len(networks) == 1:
        raise RequestError(
            "the policy has no experts but a single network; leave `clusters` out, or name others than 'experts'."
        )
    topics = {network: search.kinds.index(network) if network in search.kinds else None for network in networks}
    return [
        TopicCluster(f"expert {network}", search.units.of_network(network), "experts", topic)
        for network, topic in topics.items()
    ]


def _by_shapley(search: Search) -> list[TopicCluster]:
    found = shapley(search.local, len(search.units), search.size, search.rng, search.orders, of=contrast)
    return _best("shapley", search, found.values)


class Finder(NamedTuple):
    """A way of finding clusters.

    Attributes:
        meaning: in a few words.
        find: one cluster per kind, or per expert.
    """

    meaning: str
    find: Callable[[Search], list[TopicCluster]]


FINDERS: dict[str, Finder] = {
    "experts": Finder("the units of each expert", _experts),
    "selectivity": Finder(
        "units that hold more in the kind's situations than in the others'",
        lambda search: _best("selectivity", search, search.statistics.selectivity()),
    ),
    "gradient": Finder(
        "activation times gradient of the local skill at the kind, less that at the others",
        lambda search: _best("gradient", search, contrast(search.local.gradients())),
    ),
    "shapley": Finder("Shapley value for the local skill at the kind, less that at the others", _by_shapley),
}


def finders_for(names: Sequence[str], units: Units) -> tuple[str, ...]:
    """The ways that are asked for; all that there are for the policy, if none is.

    Raises:
        RequestError: if there is no such way.
    """
    for name in names:
        choose("clusters", name, FINDERS)
    return tuple(dict.fromkeys(names)) or tuple(
        name for name in FINDERS if name != "experts" or len(units.networks) > 1
    )


def size_for(size: float | None, units: Units, kinds: int) -> int:
    """How many units a cluster has.

    Args:
        size: a number of units from 1 on, a share of them below 1, or None for as many as an expert has, in a single
            network a kind's even share of the units.
        units: of the policy.
        kinds: number of kinds.

    Raises:
        RequestError: if it is neither, or the network has not so many units.
    """
    if size is None:
        return max(1, len(units) // (len(units.networks) if len(units.networks) > 1 else kinds))
    if 0 < size < 1:
        return max(1, round(size * len(units)))
    if size != int(size):
        raise RequestError(f"size is {size:g}; give a whole number of units, or a share of them below 1.")
    return check_size(int(size), len(units))


def random_clusters(units: Units, size: int, count: int, rng: np.random.Generator) -> list[TopicCluster]:
    """Clusters of units drawn at random."""
    drawn = [random_cluster(f"random {number}", len(units), size, rng) for number in range(1, count + 1)]
    return [TopicCluster(cluster.name, cluster.members) for cluster in drawn]

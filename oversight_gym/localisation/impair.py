"""Impair clusters of a policy's hidden units, and find what is left of its skills."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, parse_gate
from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError, check_integer, check_probability, choose
from oversight_gym.localisation.clusters import FINDERS, Search, TopicCluster, finders_for, random_clusters, size_for
from oversight_gym.localisation.curves import Curve, Subject, curves, intact
from oversight_gym.localisation.impairments import KINDS
from oversight_gym.localisation.local_skill import LocalSkill, Statistics
from oversight_gym.localisation.skills import Situations, Skills
from oversight_gym.localisation.study import ImpairmentStudy
from oversight_gym.localisation.units import Units

OWN = "own"
"""As a gate: the skill at each kind is judged with the gate forced to that kind's expert."""
RANDOM = 20
"""Random clusters of each size."""
ORDERS = 64
"""That the sampling of Shapley values may take."""


Progress = Callable[[str, int, int], None]
"""Told what is done now, how many steps are done, and how many there are."""


def impair(
    policy: GatedMixturePolicy,
    config: EnvConfig,
    *,
    clusters: Sequence[str] = (),
    impairments: Sequence[str] = (),
    size: float | None = None,
    random: int = RANDOM,
    gate: str = "free",
    watched: str = "none",
    bound: float = 0.2,
    gamma: float = 0.97,
    orders: int = ORDERS,
    quick: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> ImpairmentStudy:
    """Impair clusters of a policy's hidden units, and find exactly what is left of its skills.

    Args:
        policy: a mixture, or a policy with a single network.
        config: of the environment.
        clusters: names in ``FINDERS``; all that there are for this policy if none is given.
        impairments: names in ``KINDS``; all if none is given.
        size: of the clusters, as in :func:`size_for`; an expert has the units it has.
        random: number of random clusters of each size, to compare with; below 2 there is no specificity.
        gate: that the policy is judged at, as text, where ``free`` is as it was trained; ``own`` judges the skill at
            each kind with the gate forced to that kind's expert, and the rest free.
        watched: oversight pattern that it is judged in.
        bound: on the probability of the least valuable kind, under which it counts as safe.
        gamma: discount per step.
        orders: that the sampling of Shapley values may take.
        quick: for a first look: every other intensity, at most 4 random clusters and 16 orders.
        seed: of noise, random clusters, samples and orders.
        progress: told how far it is.

    Raises:
        RequestError: for an unknown name, a gate or an expert that the policy has not, or too large a size.
    """
    units = Units.of(policy)
    finders, size_found = finders_for(clusters, units), size_for(size, units, len(config.kinds))
    for kind in impairments:
        choose("impairments", kind, KINDS)
    check_probability("bound", bound)
    check_integer("random", random, 0)
    asked = {kind: KINDS[kind].intensities for kind in impairments or KINDS}
    if quick:
        asked = {kind: intensities[1::2] for kind, intensities in asked.items()}
        random, orders = min(random, 4), min(orders, 16)
    situations = Situations(config, gamma, watched, seed=seed)
    overall, gates = _gates(policy, gate, situations.kinds)
    tell = progress or (lambda *_: None)

    tell("activations", 0, 1)
    subject = Subject(policy, situations, overall, gates, units, Statistics(policy, units, situations), seed)
    begin = intact(subject)
    skills = Skills.of(situations, begin)
    rng = np.random.default_rng(seed)
    local = LocalSkill(policy, units, situations, skills, gates, rng)
    search = Search(units, situations.kinds, size_found, subject.statistics, local, rng, orders)
    found: list[TopicCluster] = []
    for name in finders:
        tell(f"clusters: {name}", 0, 1)
        found += FINDERS[name].find(search)
    sizes = dict.fromkeys(len(cluster) for cluster in found)
    drawn = [cluster for one in sizes for cluster in random_clusters(units, one, random, rng)]

    def swept(among: Iterable[TopicCluster], done: int) -> tuple[Curve, ...]:
        made: list[Curve] = []
        for number, cluster in enumerate(among, start=done):
            tell(f"impaired: {cluster.name}", number, len(found) + len(drawn))
            made += curves(subject, cluster, asked, begin)
        return tuple(made)

    named, controls = swept(found, 0), swept(drawn, len(found))
    tell("done", len(found) + len(drawn), len(found) + len(drawn))
    return ImpairmentStudy(situations, gate, skills, begin, named, controls, units, bound)


def _gates(policy: GatedMixturePolicy, gate: str, kinds: Sequence[str]) -> tuple[Gate, tuple[Gate, ...]]:
    """The gate that a policy is judged at overall, and for the skill at each kind."""
    if gate != OWN:
        parsed = None if gate == "free" else parse_gate(gate)
        policy.forced(parsed)  # refuse a wrong one now
        return parsed, (parsed,) * len(kinds)
    missing = [kind for kind in kinds if kind not in policy.experts]
    if missing:
        raise RequestError(
            f"`gate` is {OWN!r}, but the policy has no expert for {', '.join(missing)}; judge it with the gate free."
        )
    return None, tuple(kinds)

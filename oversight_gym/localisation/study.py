"""What an impairment study found: specificity, smoothness, and how much impairment it takes to be safe."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from oversight_gym.envs.world.kinds import most_valuable_first
from oversight_gym.evaluation.shown import Shown
from oversight_gym.localisation.clusters import TopicCluster
from oversight_gym.localisation.curves import Curve
from oversight_gym.localisation.shapley import Values
from oversight_gym.localisation.skills import Situations, Skills
from oversight_gym.localisation.units import Units

if TYPE_CHECKING:
    from rich.console import RenderableType


class Specificity(NamedTuple):
    """How much more a cluster's own skill suffers than the others', averaged over the intensities above 0.

    Attributes:
        own, others: how much the skill at the cluster's kind falls, and the mean fall of the others.
        random: own less others for random clusters of equal size, on average.
        value: own less others, less ``random``: the specificity index.
        low, high: 95 % interval of the value, from the spread of the random clusters (Student's t).
        beaten: share of the random clusters for which own less others is smaller.
    """

    own: float
    others: float
    random: float
    value: float
    low: float
    high: float
    beaten: float


class Safe(NamedTuple):
    """The least impairment at which a policy is safe, between the swept intensities by straight lines.

    Attributes:
        intensity: at which P(unwanted kind) has fallen to the bound.
        left: the return from the start there.
    """

    intensity: float
    left: float


@dataclass(frozen=True, repr=False, eq=False)
class ImpairmentStudy(Shown):
    """A policy with clusters of its units impaired.

    Attributes:
        situations: that it was judged in.
        gate: text of the gate that it was judged at, or ``own``.
        skills: how its figures are read.
        begin: its figures unimpaired, (names,).
        named: the curves of the clusters that were found.
        random: those of random clusters.
        units: of the policy.
        bound: on the probability of the unwanted kind.
    """

    situations: Situations
    gate: str
    skills: Skills
    begin: Values
    named: tuple[Curve, ...]
    random: tuple[Curve, ...]
    units: Units
    bound: float

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.situations.kinds

    @property
    def unwanted(self) -> str:
        """The least valuable kind."""
        return most_valuable_first(self.kinds)[-1]

    @cached_property
    def impairments(self) -> list[tuple[str, str]]:
        """Every kind of impairment and site that was tried."""
        return list(dict.fromkeys((curve.kind, curve.at) for curve in self.named))

    @cached_property
    def clusters(self) -> list[TopicCluster]:
        """The clusters that were found."""
        return list(dict.fromkeys(curve.cluster for curve in self.named))

    @property
    def error(self) -> float:
        """The largest error of any figure that noise leaves."""
        return max(float(curve.errors.max()) for curve in (*self.named, *self.random))

    def controls(self, curve: Curve) -> list[Curve]:
        """The curves of random clusters of equal size, impaired alike."""
        return [
            other
            for other in self.random
            if (other.kind, other.at) == (curve.kind, curve.at) and len(other.cluster) == len(curve.cluster)
        ]

    def falls(self, curve: Curve) -> Values:
        """By how much the skill at each kind falls, averaged over the intensities above 0, (kinds,)."""
        skills = self.skills(curve.figures)
        fallen: Values = skills[0] - skills[1:].mean(axis=0)
        return fallen

    def specificity(self, curve: Curve) -> Specificity | None:
        """Of a cluster for some kind, where there are other kinds and random clusters; else None."""
        topic, controls = curve.cluster.topic, self.controls(curve)
        if topic is None or len(self.kinds) < 2 or len(controls) < 2:
            return None

        def parts(of: Curve) -> tuple[float, float]:
            fallen = self.falls(of)
            return float(fallen[topic]), float(np.delete(fallen, topic).mean())

        own, others = parts(curve)
        apart = np.array([one - rest for one, rest in map(parts, controls)])
        mean, error = float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart)))
        value, reach = own - others - mean, float(stats.t.ppf(0.975, len(apart) - 1)) * error
        beaten = float((apart < own - others).mean())
        return Specificity(own, others, mean, value, value - reach, value + reach, beaten)

    def figure(self, curve: Curve, name: str) -> Values:
        """One figure by intensity, (intensities,)."""
        found: Values = curve.figures[:, self.situations.names.index(name)]
        return found

    def safe(self, curve: Curve) -> Safe | None:
        """The least impairment that is safe; None if none of those swept is."""
        risk, worth = self.figure(curve, f"p_{self.unwanted}"), self.figure(curve, "return_start")
        under = np.flatnonzero(risk <= self.bound)
        if not len(under):
            return None
        first = int(under[0])
        if first == 0:
            return Safe(0.0, float(worth[0]))
        share = float((risk[first - 1] - self.bound) / (risk[first - 1] - risk[first]))
        low, high = curve.intensities[first - 1 : first + 1]
        return Safe(low + share * (high - low), float(worth[first - 1] + share * (worth[first] - worth[first - 1])))

    def smoothness(self, curve: Curve) -> dict[str, float] | None:
        """How the skill at a cluster's own kind falls; None of a cluster without one.

        Returns:
            ``monotone``: its change over the sum of all changes between neighbours, 1 if it only falls;
            ``largest_step``: the largest of those changes over the sum, 1 if it falls all at once.
        """
        if curve.cluster.topic is None:
            return None
        steps = np.diff(self.skills(curve.figures)[:, curve.cluster.topic])
        total = max(float(np.abs(steps).sum()), 1e-12)
        return {"monotone": float(-steps.sum() / total), "largest_step": float(np.abs(steps).max() / total)}

    def rows(self) -> list[dict[str, Any]]:
        """One row per cluster, random ones included, kind of impairment, site and intensity."""
        rows = []
        for curve in (*self.named, *self.random):
            skills = self.skills(curve.figures)
            for number, intensity in enumerate(curve.intensities):
                row: dict[str, Any] = {
                    "cluster": curve.cluster.name,
                    "units": len(curve.cluster),
                    "impairment": curve.kind,
                    "site": curve.at,
                    "intensity": intensity,
                }
                row |= {f"skill_{kind}": float(skills[number, k]) for k, kind in enumerate(self.kinds)}
                row |= dict(zip(self.situations.names, curve.figures[number].tolist(), strict=True))
                rows.append(row | {"error": float(curve.errors[number].max()), "draws": curve.draws[number]})
        return rows

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: how it was judged, the clusters, what impairing each does, and every curve."""
        unimpaired = self.skills(self.begin)
        skills = {
            kind: {
                "sought": bool(self.skills.sought[k]),
                "unimpaired": float(unimpaired[k]),
                "at_random": float(self.skills.chance[k]),
            }
            for k, kind in enumerate(self.kinds)
        }
        clusters = [
            {
                "name": cluster.name,
                "found_by": cluster.found_by,
                "kind": None if cluster.topic is None else self.kinds[cluster.topic],
                "units": len(cluster),
                "in_network": {
                    network: int((cluster.members & self.units.of_network(network)).sum())
                    for network in self.units.networks
                },
            }
            for cluster in self.clusters
        ]
        return {
            "gate": self.gate,
            "watched": self.situations.watched,
            "evaluation": "exact" if self.situations.exact else "sampled",
            "hidden_units": len(self.units),
            "unwanted": self.unwanted,
            "bound": self.bound,
            "skills": skills,
            "unimpaired": dict(zip(self.situations.names, self.begin.tolist(), strict=True)),
            "clusters": clusters,
            "effects": [self._effect(curve) for curve in self.named],
            "curves": self.rows(),
        }

    def _effect(self, curve: Curve) -> dict[str, Any]:
        specificity, safe = self.specificity(curve), self.safe(curve)
        return {
            "cluster": curve.cluster.name,
            "impairment": curve.kind,
            "site": curve.at,
            "falls": dict(zip(self.kinds, self.falls(curve).tolist(), strict=True)),
            "specificity": None if specificity is None else specificity._asdict(),
            "smoothness": self.smoothness(curve),
            "safe": None if safe is None else safe._asdict(),
        }

    def _shown(self) -> "list[RenderableType]":
        from oversight_gym.localisation.tables import skill_table, specificity_table

        return [skill_table(self), specificity_table(self)]

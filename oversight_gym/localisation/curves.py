"""Exact curves of a policy's skills against the intensity at which a cluster of its units is impaired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.localisation.clusters import TopicCluster
from oversight_gym.localisation.impairments import KINDS, Impaired, Impairment
from oversight_gym.localisation.intervene import SITES, Site
from oversight_gym.localisation.local_skill import Statistics
from oversight_gym.localisation.shapley import Values
from oversight_gym.localisation.skills import Situations, Sums, measure
from oversight_gym.localisation.units import Units

PRECISION = 0.01
"""Largest standard error of a figure, and largest change of one from half of the draws to all of them."""
FEWEST_DRAWS, MOST_DRAWS = 4, 128
"""Of the noise; from the former they are doubled until the figures are precise."""


@dataclass(frozen=True, eq=False)
class Curve:
    """What a policy does with a cluster impaired, by intensity.

    Attributes:
        cluster: whose units are impaired.
        kind: of impairment.
        at: the site.
        intensities: ascending, the first 0.
        figures: shape (intensities, names of ``Situations.names``).
        errors: their standard errors; 0 where nothing is drawn.
        draws: of the noise, by intensity.
    """

    cluster: TopicCluster
    kind: str
    at: Site
    intensities: tuple[float, ...]
    figures: Values
    errors: Values
    draws: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """A policy, and how it is judged.

    Attributes:
        policy: its weights are read, not changed.
        situations: to judge it in.
        gate: at which it is judged overall.
        gates: at which its skill at each kind is judged.
        units: of the policy.
        statistics: of its units.
        seed: of the noise.
    """

    policy: GatedMixturePolicy
    situations: Situations
    gate: Gate
    gates: tuple[Gate, ...]
    units: Units
    statistics: Statistics
    seed: int

    @property
    def different(self) -> list[Gate]:
        """Every gate that is used, once, the overall one first."""
        return list(dict.fromkeys((self.gate, *self.gates)))

    def judged(self, figures: Values) -> Values:
        """From figures at every gate (..., gates, names) to those that count, (..., names)."""
        found = figures[..., 0, :].copy()
        for kind, gate in enumerate(self.gates):
            found[..., kind] = figures[..., self.different.index(gate), kind]
        return found

    def sites(self, kind: str) -> tuple[Site, ...]:
        """Where an impairment makes a difference: scaling before a ReLU is the same as after it."""
        same = not KINDS[kind].noisy and all(isinstance(layer.activation, nn.ReLU) for layer in self.units.layers)
        return ("after",) if same else SITES


def intact(subject: Subject) -> Values:
    """The figures of the unimpaired policy, (names,)."""
    nothing = TopicCluster("nothing", np.zeros(len(subject.units), dtype=bool))
    figures, _ = _measured(subject, nothing, "after", [Impairment("scaling", 0.0)], 1)
    found: Values = figures[0]
    return found


def _measured(
    subject: Subject, cluster: TopicCluster, at: Site, impairments: Sequence[Impairment], draws: int
) -> tuple[Values, Values]:
    """Figures (impairments, names) and their errors, the greater of the standard error and what more draws change.

    Half of the draws are evaluated by themselves, and so is the other half. Noise in different placements of the
    terminals is independent, so the differences of the halves in all of them give the standard error; and as the
    figures are no linear function of the probabilities, that of their mean from the figure of all draws shows the bias.
    """
    spread = subject.statistics.spread[at]
    gates, situations = subject.different, subject.situations
    impaired = Impaired(subject.policy, subject.units, spread, cluster, at, gates)
    noisy = any(KINDS[impairment.kind].noisy for impairment in impairments)
    generators = [torch.Generator().manual_seed(2 * subject.seed + half) for half in range(2 if noisy else 1)]
    parts = []
    for block in situations.blocks():
        seen = situations.observations(block)
        each = max(1, draws // len(generators))
        found = [impaired.probabilities(seen, impairments, each, generator) for generator in generators]
        variants = np.concatenate([np.mean(found, axis=0), *found] if noisy else found)
        parts.append(measure(situations, block, situations.table(block, variants)))
    sums = Sums.join(parts)
    shape = 3 if noisy else 1, len(impairments), len(gates), -1
    figures = subject.judged(sums.figures.reshape(shape))
    if not noisy:
        return figures[0], np.zeros_like(figures[0])
    by_placement = sums.found.reshape(*shape[:3], *sums.found.shape[1:])
    apart = np.sqrt(((by_placement[1] - by_placement[2]) ** 2).sum(axis=2)) / 2 / sums.starts.sum(axis=0)
    bias = np.abs(figures[0] - figures[1:].mean(axis=0))
    return figures[0], np.maximum(subject.judged(apart), bias)


def curves(subject: Subject, cluster: TopicCluster, asked: Mapping[str, Sequence[float]], begin: Values) -> list[Curve]:
    """The curves of one cluster for every kind of impairment and site.

    Args:
        subject: the policy.
        cluster: to impair.
        asked: the intensities by kind, without 0.
        begin: the figures at intensity 0.
    """
    found = []
    for at in SITES:
        kinds = [kind for kind in asked if at in subject.sites(kind)]
        every = [Impairment(kind, intensity) for kind in kinds for intensity in asked[kind]]
        done: dict[Impairment, tuple[Values, Values, int]] = {}
        for noisy in (False, True):
            todo, draws = [one for one in every if KINDS[one.kind].noisy == noisy], FEWEST_DRAWS if noisy else 0
            while todo:
                figures, errors = _measured(subject, cluster, at, todo, draws)
                done |= {one: (figures[row], errors[row], draws) for row, one in enumerate(todo)}
                worst = errors.max(axis=1).tolist()
                rough = [one for one, error in zip(todo, worst, strict=True) if error > PRECISION]
                todo = rough if draws < MOST_DRAWS else []
                draws *= 2
        for kind in kinds:
            rows = [done[Impairment(kind, intensity)] for intensity in asked[kind]]
            values, errors_, counts = (list(column) for column in zip(*rows, strict=True))
            found.append(
                Curve(
                    cluster,
                    kind,
                    at,
                    (0.0, *asked[kind]),
                    np.array([begin, *values]),
                    np.array([np.zeros_like(begin), *errors_]),
                    (0, *counts),
                )
            )
    return found

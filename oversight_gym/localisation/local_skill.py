"""How well a policy's next step serves each kind: a cheap stand-in for its skills, for attributing them to units.

A policy's *local skill* at a kind it seeks is the mean probability, over a sample of the kind's situations, of a step
that a shortest way to the kind begins with, nothing else being in the way; at a kind it avoids, of any other step.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.evaluation.references import best_actions
from oversight_gym.localisation.intervene import (
    SITES,
    activations,
    dense,
    edited_outputs,
    gate_weighings,
    mixed_logits,
    scaling,
)
from oversight_gym.localisation.shapley import Values
from oversight_gym.localisation.skills import Situations, Skills, nearest_kind
from oversight_gym.localisation.units import Units

SAMPLE = 128
"""Situations of each kind."""
TOGETHER = 32
"""Coalitions at a time, so that what they make of the sample stays in the cache."""


class LocalSkill:
    """The local skills of a policy with some of its units ablated.

    Args:
        policy: its weights are read, not changed.
        units: of the policy.
        situations: to draw the sample from.
        skills: which kinds the policy seeks.
        gates: of the policy, one per kind; None is the policy as it stands.
        rng: of the sample.
    """

    def __init__(
        self,
        policy: GatedMixturePolicy,
        units: Units,
        situations: Situations,
        skills: Skills,
        gates: Sequence[Gate],
        rng: np.random.Generator,
    ) -> None:
        assert isinstance(policy.action_net, nn.Linear)
        self.units, self._head = units, policy.action_net
        self._sought = torch.from_numpy(skills.sought)
        self._features, self._toward, self._weights = [], [], []
        for kind, gate in enumerate(gates):
            observations, toward = sample(situations, kind, rng)
            obs, _ = policy.obs_to_tensor(observations)
            assert isinstance(obs, Tensor)
            with torch.no_grad():
                features = policy.policy_features(obs)
                self._features.append(dense(features))
                (weights,) = gate_weighings(policy, features, [gate])
            self._weights.append(weights.expand(len(obs), -1))
            self._toward.append(torch.from_numpy(toward).float())

    def _of(self, factors: Tensor) -> Tensor:
        """Local skills, shape (coalitions, kinds), where units are scaled by factors (coalitions, units)."""
        sizes = [len(features) for features in self._features]
        inputs = torch.cat(self._features).repeat(len(factors), 1)
        weights = torch.cat(self._weights).repeat(len(factors), 1)
        edit = scaling(self.units, factors.repeat_interleave(sum(sizes), dim=0))
        chosen = mixed_logits(self._head, weights, edited_outputs(self.units, inputs, edit)).softmax(dim=1)
        served = (chosen * torch.cat(self._toward).repeat(len(factors), 1)).sum(dim=1).view(len(factors), -1)
        means = torch.stack([part.mean(dim=1) for part in torch.split(served, sizes, dim=1)], dim=1)
        return torch.where(self._sought, means, 1 - means)

    @torch.no_grad()
    def __call__(self, coalitions: NDArray[np.bool_]) -> Values:
        """Local skills, shape (coalitions, kinds), where only the units of each coalition (coalitions, units) work."""
        parts = torch.split(torch.from_numpy(coalitions).float(), TOGETHER)
        return torch.cat([self._of(part) for part in parts]).numpy().astype(np.float64)

    def gradients(self) -> Values:
        """What each local skill loses with each unit to first order, activation times gradient; (units, kinds)."""
        factors = torch.ones(1, len(self.units), requires_grad=True)
        skills = self._of(factors)[0]
        found = [torch.autograd.grad(skill, factors, retain_graph=True)[0][0] for skill in skills]
        return torch.stack(found, dim=1).numpy().astype(np.float64)


def sample(
    situations: Situations, kind: int, rng: np.random.Generator, size: int = SAMPLE
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Some situations of a kind, each layout equally likely to be among them.

    Returns:
        observations ``(size, *shape)``, and which actions begin a shortest way to the kind, shape (size, actions).
    """
    kept: list[tuple[NDArray[np.float64], NDArray[np.generic], NDArray[np.bool_]]] = []
    for block in situations.blocks():
        mine = (block.starts & (nearest_kind(block) == kind)).ravel()
        observations = situations.observations(block)
        signals = len(observations) // len(mine)
        toward = best_actions(block, situations.kinds[kind], situations.gamma)
        toward = np.repeat(toward.reshape(len(toward), -1).T, signals, axis=0)
        chosen = np.flatnonzero(np.repeat(mine, signals))
        lots = rng.random(len(chosen))
        first = np.argsort(lots)[:size]
        kept.append((lots[first], observations[chosen[first]], toward[chosen[first]]))
    lots, observations, toward = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    first = np.argsort(lots)[:size]
    return observations[first], toward[first]


class Statistics:
    """What the units of a policy hold in all situations.

    Args:
        policy: whose units they are.
        units: of the policy.
        situations: to go through.

    Attributes:
        spread: standard deviation of every unit before and after its nonlinearity, by site, each (units,), float32.
        means: mean after the nonlinearity in the situations of each kind, shape (kinds, units), float64.
    """

    @torch.no_grad()
    def __init__(self, policy: GatedMixturePolicy, units: Units, situations: Situations) -> None:
        kinds = len(situations.kinds)
        sums = {at: torch.zeros(2, len(units), dtype=torch.float64) for at in SITES}
        of_kind, counts, total = torch.zeros(kinds, len(units), dtype=torch.float64), torch.zeros(kinds, 1), 0
        for block in situations.blocks():
            starts, nearest = block.starts.ravel(), nearest_kind(block).ravel()
            observations = situations.observations(block)
            signals = len(observations) // len(starts)
            inside = np.flatnonzero(np.repeat(starts, signals))
            nearest = np.repeat(nearest, signals)[inside]
            obs, _ = policy.obs_to_tensor(observations[inside])
            features = dense(policy.policy_features(obs))
            total += len(inside)
            for at, summed in sums.items():
                held = activations(units, features, at).double()
                summed += torch.stack([held.sum(dim=0), (held**2).sum(dim=0)])
            for kind in range(kinds):
                mine = torch.from_numpy(nearest == kind)
                of_kind[kind] += held[mine].sum(dim=0)
                counts[kind] += mine.sum()
        self.spread = {
            at: (squares / total - (one / total) ** 2).clamp(min=0).sqrt().float()
            for at, (one, squares) in sums.items()
        }
        self.means: Values = (of_kind / counts).numpy()

    def selectivity(self) -> Values:
        """By how many standard deviations a unit holds more in a kind's situations than in others'; (units, kinds)."""
        spread = self.spread["after"].numpy().astype(np.float64)
        scaled = np.divide(self.means, spread, out=np.zeros_like(self.means), where=spread > 0)
        return contrast(scaled.T)


def contrast(values: Values) -> Values:
    """How much each column exceeds the mean of the others, shape as given: (units, kinds)."""
    kinds = values.shape[1]
    others = (values.sum(axis=1, keepdims=True) - values) / max(kinds - 1, 1)
    found: Values = values - others
    return found

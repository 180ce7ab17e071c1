"""Ways to impair hidden units, and a policy's action probabilities with some of them impaired."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.localisation.intervene import Edit, Site, dense, first_values, gate_weighings, onward
from oversight_gym.localisation.units import Cluster, Units

ROWS = 512
"""Observations at a time, so that a layer's values stay in the cache from one operation to the next."""


class Kind(NamedTuple):
    """A kind of impairment.

    Attributes:
        meaning: in a few words.
        noisy: whether it draws noise.
        intensities: that are swept unless others are asked for, ascending, without 0.
        shifted: from Gaussian noise (rows, units) of standard deviation 1 to the noise that is added at intensity 1, in
            standard deviations of each unit; None where nothing is added, and units are scaled by 1 - intensity.
    """

    meaning: str
    intensities: tuple[float, ...]
    shifted: Callable[[Tensor], Tensor] | None = None

    @property
    def noisy(self) -> bool:
        return self.shifted is not None


KINDS: dict[str, Kind] = {
    "gaussian": Kind(
        "Gaussian noise, intensity in standard deviations of each unit", (0.5, 1.0, 2.0, 4.0), lambda drawn: drawn
    ),
    "negative": Kind(
        "the same, shifted so that the largest of all units' noise is 0",
        (0.125, 0.25, 0.5, 1.0),
        lambda drawn: drawn - drawn.amax(dim=1, keepdim=True),
    ),
    "scaling": Kind("units scaled by 1 - intensity", (0.25, 0.5, 0.75, 1.0)),
}
"""Every kind of impairment. Noise is drawn anew at every step of an episode, for every unit of the policy, so a unit is
given the same noise in whatever cluster it is."""


class Impairment(NamedTuple):
    """A kind of impairment at an intensity from 0, which changes nothing, on."""

    kind: str
    intensity: float


class Impaired:
    """A policy with a cluster of its units impaired.

    Args:
        policy: its weights are read, not changed.
        units: of the policy.
        spread: standard deviation of every unit at the site, shape (units,), in which noise is measured.
        cluster: the units to impair.
        at: before or after their nonlinearity.
        gates: at which the policy is asked. The gate's own network is never impaired.
    """

    def __init__(
        self,
        policy: GatedMixturePolicy,
        units: Units,
        spread: Tensor,
        cluster: Cluster,
        at: Site,
        gates: Sequence[Gate] = (None,),
    ) -> None:
        self.policy, self.units, self.at, self.gates = policy, units, at, gates
        members = torch.from_numpy(cluster.members)
        self._members = units.split(members.float())
        self._spread = spread * members
        self._touched = {units.layers[number].network for number, own in enumerate(self._members) if own.any()}
        assert isinstance(policy.action_net, nn.Linear)
        self._head = policy.action_net

    def _edit(self, impairment: Impairment, noise: list[Tensor] | None) -> Edit:
        """The intervention; ``noise`` of intensity 1 per layer, each (rows, width), where the kind needs some."""
        intensity = impairment.intensity

        def edit(layer: int, site: Site, values: Tensor) -> Tensor:
            if site != self.at or not self._members[layer].any():
                return values
            if noise is not None:
                return torch.add(values, noise[layer], alpha=intensity)
            return values * (1 - intensity * self._members[layer])

        return edit

    @torch.no_grad()
    def probabilities(
        self, observations: NDArray[Any], impairments: Sequence[Impairment], draws: int, generator: torch.Generator
    ) -> NDArray[np.float32]:
        """Action probabilities, averaged over draws of the noise, at every gate for every impairment.

        Noise that is drawn anew at every step makes a policy whose action probabilities are the mean over the noise.

        Args:
            observations: shape ``(n, *shape)``.
            impairments: to be tried, all with the same draws.
            draws: of the noise; kinds without noise take one.
            generator: of the draws.

        Returns:
            shape (impairments * gates, n, actions), the gates of the first impairment first.
        """
        obs, _ = self.policy.obs_to_tensor(observations)
        assert isinstance(obs, Tensor)
        found = [self._of_chunk(part, impairments, draws, generator) for part in torch.split(obs, ROWS)]
        return torch.cat(found, dim=1).numpy()

    def _of_chunk(
        self, obs: Tensor, impairments: Sequence[Impairment], draws: int, generator: torch.Generator
    ) -> Tensor:
        features = self.policy.policy_features(obs)
        weighings = gate_weighings(self.policy, features, self.gates)
        first = first_values(self.units, dense(features))
        clean = {name: self._logits(output) for name, output in onward(self.units, first).items()}
        touched = {name: first[name] for name in first if name in self._touched}

        def asked(impairment: Impairment, noise: list[Tensor] | None) -> Tensor:
            outputs = onward(self.units, touched, self._edit(impairment, noise))
            logits = clean | {name: self._logits(output) for name, output in outputs.items()}
            mixed = [self._mixed(weights, list(logits.values())) for weights in weighings]
            return torch.stack(mixed).softmax(dim=-1)

        noisy = {impairment.kind for impairment in impairments if KINDS[impairment.kind].noisy}
        sums: list[Tensor | None] = [None] * len(impairments)
        for draw in range(draws if noisy else 1):
            noise = self._noise(noisy, len(obs), generator) if noisy else {}
            for number, impairment in enumerate(impairments):
                if draw == 0 or impairment.kind in noisy:
                    probabilities, before = asked(impairment, noise.get(impairment.kind)), sums[number]
                    sums[number] = probabilities if before is None else before.add_(probabilities)
        means = [
            total / (draws if impairment.kind in noisy else 1)
            for total, impairment in zip(sums, impairments, strict=True)
            if total is not None
        ]
        return torch.cat(means)

    def _logits(self, output: Tensor) -> Tensor:
        return linear(output, self._head.weight)

    def _mixed(self, weights: Tensor, logits: list[Tensor]) -> Tensor:
        parts = [weights[:, [index]] * part for index, part in enumerate(logits)]
        return sum(parts[1:], parts[0]) + self._head.bias

    def _noise(self, kinds: set[str], rows: int, generator: torch.Generator) -> dict[str, list[Tensor]]:
        """Noise of intensity 1 by kind, for each layer (rows, width); 0 for units outside the cluster."""
        drawn = torch.randn(rows, len(self.units), generator=generator)
        noise = {}
        for kind in sorted(kinds):
            shifted = KINDS[kind].shifted
            assert shifted is not None
            noise[kind] = [part.contiguous() for part in self.units.split(shifted(drawn) * self._spread)]
        return noise

"""A policy seen with an intervention on its hidden units, which reads and replaces what they hold."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from oversight_gym.agents.policies.multi_hot import MultiHot
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.agents.routing.mixture import weigh
from oversight_gym.evaluation.probabilities import CHUNK, Query
from oversight_gym.localisation.units import Units

Site = Literal["before", "after"]
"""Where an intervention takes hold: before or after the nonlinearity of a layer."""
SITES: tuple[Site, ...] = ("before", "after")

Edit = Callable[[int, Site, Tensor], Tensor]
"""An intervention: from the number of a layer in ``Units.layers``, the site and the values there, shape (rows, width),
to those that take their place. It is asked at both sites of every layer."""


def scaling(units: Units, factors: Tensor, at: Site = "after") -> Edit:
    """Multiply every unit by its factor; 0 ablates it. Differentiable by the factors.

    Args:
        units: of the policy.
        factors: shape (units,) or (rows, units).
        at: the site.
    """
    own = units.split(factors)
    return lambda layer, site, values: values * own[layer] if site == at else values


def noise(units: Units, scale: Tensor, generator: torch.Generator, at: Site = "after") -> Edit:
    """Add Gaussian noise, drawn anew at every call.

    Args:
        units: of the policy.
        scale: standard deviation per unit, shape (units,).
        generator: of the draws.
        at: the site.
    """
    own = units.split(scale)

    def edit(layer: int, site: Site, values: Tensor) -> Tensor:
        if site != at or not own[layer].any():
            return values
        return values + own[layer] * torch.randn(values.shape, generator=generator)

    return edit


def dense(features: Tensor | MultiHot) -> Tensor:
    """What the experts read, shape (rows, features), float32, whether it is given whole or by its ones."""
    if isinstance(features, Tensor):
        return features.float()
    matrix = torch.zeros(len(features), features.width)
    rows = np.repeat(np.arange(len(features)), np.diff(features.bounds))
    matrix[torch.from_numpy(rows), torch.from_numpy(features.inputs)] = 1.0
    return matrix


def first_values(units: Units, features: Tensor) -> dict[str, Tensor]:
    """What the first layer of every network gives before its nonlinearity, by network, each (rows, width)."""
    return {layer.network: layer.linear(features) for layer in units.layers if layer.depth == 0}


def onward(units: Units, first: Mapping[str, Tensor], edit: Edit | None = None) -> dict[str, Tensor]:
    """The outputs of some networks, by name, each (rows, outputs), from their :func:`first_values`."""
    outputs = dict(first)
    for number, layer in enumerate(units.layers):
        if layer.network not in first:
            continue
        values = outputs[layer.network]
        values = values if layer.depth == 0 else layer.linear(values)
        values = values if edit is None else edit(number, "before", values)
        values = layer.activation(values)
        outputs[layer.network] = values if edit is None else edit(number, "after", values)
    return outputs


def edited_outputs(units: Units, features: Tensor, edit: Edit | None = None) -> list[Tensor]:
    """The output of every expert under an intervention, each (rows, outputs); differentiable.

    Args:
        units: of the policy.
        features: shape (rows, features), see :func:`dense`.
        edit: the intervention; None for none.
    """
    return list(onward(units, first_values(units, features), edit).values())


def activations(units: Units, features: Tensor, at: Site = "after") -> Tensor:
    """What every unit holds, shape (rows, units), float32, for features as :func:`dense` gives them."""
    found: list[Tensor] = []

    def record(layer: int, site: Site, values: Tensor) -> Tensor:
        if site == at:
            found.append(values)
        return values

    edited_outputs(units, features, record)
    return torch.cat(found, dim=1)


def gate_weighings(policy: GatedMixturePolicy, features: Any, gates: Sequence[Gate]) -> list[Tensor]:
    """The experts' weights at each gate, each (rows, experts) or (1, experts); None is the policy as it stands.

    Args:
        policy: whose gate it is.
        features: what ``policy.policy_features`` gives.
        gates: see ``Gate``.

    Raises:
        RequestError: if the policy has no such gate.
    """
    forced = [policy.mixture.forced_gate if gate is None else policy.forced(gate) for gate in gates]
    if len(policy.experts) == 1:
        return [torch.ones(1, 1) for _ in forced]
    if all(isinstance(weighing, Tensor) for weighing in forced):
        return [weighing[None] for weighing in forced if isinstance(weighing, Tensor)]
    free = policy.mixture.gate_weights(features)
    return [weigh(free, weighing) for weighing in forced]


def mixed_logits(head: nn.Linear, weights: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    """Logits of the actions, shape (rows, actions), from the experts' outputs, weighed by (rows or 1, experts)."""
    parts = [weights[:, [index]] * linear(output, head.weight) for index, output in enumerate(outputs)]
    return sum(parts[1:], parts[0]) + head.bias


def edited_query(policy: GatedMixturePolicy, edits: Sequence[Edit | None], gates: Sequence[Gate] = (None,)) -> Query:
    """Action probabilities of a policy under each of several interventions, at each of several gates.

    One variant per intervention and gate, the gates of the first intervention first. Hand it to ``table_of`` and that
    to ``evaluate_table`` for an exact evaluation of many variants at once.

    Args:
        policy: its weights are read, not changed.
        edits: None for the policy without intervention.
        gates: None is the policy as it stands. The gate itself is never intervened on.

    Raises:
        RequestError: if the policy has no such gate; when asked.
    """
    units, head = Units.of(policy), policy.action_net
    assert isinstance(head, nn.Linear)

    def probabilities(obs: Tensor) -> Tensor:
        features = policy.policy_features(obs)
        weighings, inputs = gate_weighings(policy, features, gates), dense(features)
        logits = []
        for edit in edits:
            outputs = edited_outputs(units, inputs, edit)
            logits += [mixed_logits(head, weights, outputs) for weights in weighings]
        return torch.stack(logits).softmax(dim=-1)

    @torch.no_grad()
    def query(observations: NDArray[Any]) -> NDArray[np.float32]:
        obs, _ = policy.obs_to_tensor(observations)
        assert isinstance(obs, Tensor)
        found: NDArray[np.float32] = torch.cat([probabilities(part) for part in torch.split(obs, CHUNK)], dim=1).numpy()
        return found

    return query


def edited_actor(
    policy: GatedMixturePolicy, edit: Edit | None = None, gate: Gate = None
) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """The policy under one intervention, from observations ``(n, *shape)`` to probabilities (n, actions).

    ``evaluate`` takes it for a policy. Arguments and errors as :func:`edited_query`.
    """
    query = edited_query(policy, [edit], [gate])
    return lambda observations: query(observations)[0]

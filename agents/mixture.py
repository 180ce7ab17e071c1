"""The gated mixture of experts: K expert networks, a gate, and how routing labels act on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing import UNLABELLED, attach_loss, expert_mask, gate_mask, route_gradient


@dataclass(frozen=True)
class RoutingSignal:
    """How an update's labels act on the mixture.

    Attributes:
        labels: returns the labels of the current minibatch, shape (batch,), int64.
        detach: whether labels restrict where gradients go.
        gate_coef: weight of the gate loss.
    """

    labels: Callable[[], Tensor]
    detach: bool
    gate_coef: float


def gate_loss(gate_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the gate towards the labelled expert; 0 if no sample is labelled.

    For two experts this is the binary cross-entropy of a(x) towards 1 on the first and 0 on the second. Each
    expert's samples are averaged first and the labelled experts then count equally, so that an expert which
    happens to be reached more often does not draw the gate's prior, and with it all further data, to itself.

    Args:
        gate_logits: shape (batch, experts).
        labels: shape (batch,), int64: index of an expert, or ``UNLABELLED``.

    Returns:
        scalar.
    """
    losses = functional.cross_entropy(gate_logits, labels, ignore_index=UNLABELLED, reduction="none")
    of_expert = labels[:, None] == torch.arange(gate_logits.shape[1], device=labels.device)
    counts = of_expert.sum(dim=0)
    means = (losses[:, None] * of_expert).sum(dim=0) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)


def _mlp(sizes: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers)


def _mix(weights: Tensor, outputs: Tensor) -> Tensor:
    return (weights[:, :, None] * outputs).sum(dim=1)


class GatedMixture(nn.Module):
    """Expert features mixed by a gate, beside a separate value network; stands where SB3 has ``MlpExtractor``.

    The gate has one logit per expert, the last fixed at 0, so that with two experts the first one's weight
    is a sigmoid. A single expert has no gate and equals SB3's ``MlpExtractor`` bit for bit.

    Args:
        features_dim: number of input features.
        experts: names.
        net_arch: hidden layer sizes under ``pi`` (each expert), ``vf`` (value network), ``gate``.
        activation_fn: activation after every hidden layer.
    """

    def __init__(
        self,
        features_dim: int,
        experts: Sequence[str],
        net_arch: dict[str, list[int]],
        activation_fn: type[nn.Module],
    ) -> None:
        super().__init__()
        expert_sizes = [features_dim, *net_arch.get("pi", [])]
        value_sizes = [features_dim, *net_arch.get("vf", [])]
        gate_sizes = [features_dim, *net_arch.get("gate", [])]
        self.latent_dim_pi = expert_sizes[-1]
        self.latent_dim_vf = value_sizes[-1]
        self.experts = nn.ModuleDict({name: _mlp(expert_sizes, activation_fn) for name in experts})
        self.value_net = _mlp(value_sizes, activation_fn)
        self.gate = None
        if len(experts) > 1:
            self.gate = nn.Sequential(_mlp(gate_sizes, activation_fn), nn.Linear(gate_sizes[-1], len(experts) - 1))
        self.signal: RoutingSignal | None = None
        self.forced_gate: Tensor | None = None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed expert features (batch, latent_dim_pi) and value features (batch, latent_dim_vf)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_critic(self, features: Tensor) -> Tensor:
        """Value features, shape (batch, latent_dim_vf)."""
        latent: Tensor = self.value_net(features)
        return latent

    def expert_features(self, features: Tensor) -> Tensor:
        """Features of every expert, shape (batch, experts, latent_dim_pi)."""
        return torch.stack([expert(features) for expert in self.experts.values()], dim=1)

    def gate_logits(self, features: Tensor) -> Tensor:
        """Shape (batch, experts); zeros for a single expert."""
        reference = features.new_zeros(len(features), 1)
        return reference if self.gate is None else torch.cat([self.gate(features), reference], dim=1)

    def gate_weights(self, features: Tensor) -> Tensor:
        """The free gate, shape (batch, experts), each row sums to 1."""
        return self.gate_logits(features).softmax(dim=1)

    def forward_actor(self, features: Tensor) -> Tensor:
        """Mixed expert features, shape (batch, latent_dim_pi).

        A forced gate replaces the free one. While a routing signal is set, it decides where gradients go
        and adds the gate loss.
        """
        if self.gate is None:
            (expert,) = self.experts.values()
            latent: Tensor = expert(features)
            return latent
        outputs = self.expert_features(features)
        logits = self.gate_logits(features)
        weights = logits.softmax(dim=1) if self.forced_gate is None else self.forced_gate.expand_as(logits)
        if self.signal is None:
            return _mix(weights, outputs)
        labels = self.signal.labels()
        if self.signal.detach:
            outputs = route_gradient(outputs, expert_mask(labels, outputs.shape[1])[:, :, None])
            weights = route_gradient(weights, gate_mask(labels)[:, None])
        mixed = _mix(weights, outputs)
        if self.signal.gate_coef:
            mixed = attach_loss(mixed, self.signal.gate_coef * gate_loss(logits, labels))
        return mixed

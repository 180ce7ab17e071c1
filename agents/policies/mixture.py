"""The gated mixture of experts: K expert networks, a gate, and how routing labels act on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.policies.multi_hot import MultiHot, multi_hot_linear
from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.routing.gradients import UNLABELLED, attach_loss, expert_mask, gate_mask, route_gradient


@dataclass(frozen=True)
class RoutingSignal:
    """How an update's labels act on the mixture.

    Attributes:
        labels: returns the labels of the current minibatch, shape (batch,), int64.
        detach: whether labels restrict where gradients go.
        gate_coef: weight of the gate loss.
        balanced: whether every labelled expert counts equally in the gate loss, or every labelled sample.
        hard_gate: whether labelled samples pass through their expert alone.
        repeats: how many samples each row of the batch stands for, shape (batch,); None for one each.
    """

    labels: Callable[[], Tensor]
    detach: bool
    gate_coef: float
    balanced: bool = True
    hard_gate: bool = False
    repeats: Tensor | None = None


def gate_loss(gate_logits: Tensor, labels: Tensor, repeats: Tensor | None = None, balanced: bool = True) -> Tensor:
    """Cross-entropy of the gate towards the labelled expert; 0 if no sample is labelled.

    For two experts this is the binary cross-entropy of a(x) towards 1 on the first and 0 on the second. If balanced,
    each expert's samples are averaged first and the labelled experts then count equally, so that an expert which
    happens to be reached more often does not draw the gate's prior, and with it all further data, to itself. The
    paper's loss is the mean over labelled samples.

    Args:
        gate_logits: shape (batch, experts).
        labels: shape (batch,), int64: index of an expert, or ``UNLABELLED``.
        repeats: how many samples each row stands for, shape (batch,); None for one each.
        balanced: as above.

    Returns:
        scalar.
    """
    losses = functional.cross_entropy(gate_logits, labels, ignore_index=UNLABELLED, reduction="none")
    of_expert = labels[:, None] == torch.arange(gate_logits.shape[1], device=labels.device)
    if repeats is not None:
        of_expert = of_expert * repeats[:, None]
    counts = of_expert.sum(dim=0)
    sums = (losses[:, None] * of_expert).sum(dim=0)
    if not balanced:
        return sums.sum() / counts.sum().clamp(min=1)
    means = sums / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)


Features = Tensor | list[MultiHot]
"""Input features: a matrix (batch, features), or a binary one by its ones, in chunks."""


def _mlp(sizes: Sequence[int], activation: type[nn.Module], planes: int = 0, channels: int = 0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    if channels:
        layers[0] = PointwiseLinear(planes, channels, sizes[0] // planes, sizes[1])
    return nn.Sequential(*layers)


def run(network: nn.Sequential, features: Features) -> Tensor:
    """What a network that begins with a linear layer makes of the features, shape (batch, outputs)."""
    if isinstance(features, Tensor):
        outputs: Tensor = network(features)
        return outputs
    layers: list[Any] = list(network)
    first, others = layers[0], layers[1:]
    weight = first.weight.T.contiguous()
    chunks = [multi_hot_linear(hot, weight, first.bias) for hot in features]
    for layer in others:
        chunks = [layer(chunk) for chunk in chunks]
    return torch.cat(chunks) if len(chunks) > 1 else chunks[0]


def _softmax(logits: Tensor) -> Tensor:
    """Over the last of two dimensions; far faster along the first for few experts and many samples."""
    weights: Tensor = logits.T.contiguous().softmax(dim=0).T
    return weights


def _mix(weights: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    first, *others = torch.split(weights, 1, dim=1)
    mixed = first * outputs[0]
    for weight, output in zip(others, outputs[1:], strict=True):
        mixed = torch.addcmul(mixed, weight, output)
    return mixed


class GatedMixture(nn.Module):
    """Expert features mixed by a gate, beside a separate value network; stands where SB3 has ``MlpExtractor``.

    The gate has one logit per expert, the last fixed at 0, so that with two experts the first one's weight
    is a sigmoid. A single expert has no gate and equals SB3's ``MlpExtractor`` bit for bit.

    Args:
        features_dim: number of input features.
        experts: names.
        net_arch: hidden layer sizes under ``pi`` (each expert), ``vf`` (value network), ``gate``.
        activation_fn: activation after every hidden layer.
        gated: whether there is a gate to learn; without one every expert has the same weight.
        linear_value: leave the activations out of the value network.
        planes: of the observations that the features are; needed with ``channels``.
        channels: under ``gate`` and ``vf``, channels of a 1 x 1 convolution before that network's first hidden layer.
    """

    def __init__(
        self,
        features_dim: int,
        experts: Sequence[str],
        net_arch: dict[str, list[int]],
        activation_fn: type[nn.Module],
        gated: bool = True,
        linear_value: bool = False,
        planes: int = 0,
        channels: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        expert_sizes, value_sizes, gate_sizes = ([features_dim, *net_arch.get(key, [])] for key in ("pi", "vf", "gate"))
        self.latent_dim_pi = expert_sizes[-1]
        self.latent_dim_vf = value_sizes[-1]
        self.experts = nn.ModuleDict({name: _mlp(expert_sizes, activation_fn) for name in experts})
        of_value = nn.Identity if linear_value else activation_fn
        self.value_net = _mlp(value_sizes, of_value, planes, channels.get("vf", 0))
        self.gate = None
        if gated and len(experts) > 1:
            hidden = _mlp(gate_sizes, activation_fn, planes, channels.get("gate", 0))
            self.gate = hidden.append(nn.Linear(gate_sizes[-1], len(experts) - 1))
        self.signal: RoutingSignal | None = None
        self.forced_gate: Tensor | None = None

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """Mixed expert features (batch, latent_dim_pi) and value features (batch, latent_dim_vf)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_critic(self, features: Features) -> Tensor:
        """Value features, shape (batch, latent_dim_vf)."""
        return run(self.value_net, features)

    def expert_features(self, features: Features) -> list[Tensor]:
        """Features of every expert, each of shape (batch, latent_dim_pi)."""
        return [run(expert, features) for expert in self.experts.values()]  # type: ignore[arg-type]

    def gate_logits(self, features: Features) -> Tensor:
        """Shape (batch, experts), the last expert's fixed at 0; all of them without a gate."""
        if self.gate is None:
            samples = len(features) if isinstance(features, Tensor) else sum(len(hot.first) for hot in features)
            return next(self.parameters()).new_zeros(samples, len(self.experts))
        chosen = run(self.gate, features)
        return torch.cat([chosen, chosen.new_zeros(len(chosen), 1)], dim=1)

    def gate_weights(self, features: Features) -> Tensor:
        """The free gate, shape (batch, experts), each row sums to 1."""
        return _softmax(self.gate_logits(features))

    def forward_actor(self, features: Features) -> Tensor:
        """Mixed expert features, shape (batch, latent_dim_pi).

        A forced gate replaces the free one. While a routing signal is set, it decides where gradients go
        and adds the gate loss.
        """
        outputs = self.expert_features(features)
        if len(outputs) == 1:
            return outputs[0]
        logits = self.gate_logits(features)
        weights = _softmax(logits) if self.forced_gate is None else self.forced_gate.expand_as(logits)
        if self.signal is None:
            return _mix(weights, outputs)
        labels = self.signal.labels()
        if self.signal.hard_gate:
            own = torch.arange(len(outputs), device=labels.device) == labels[:, None]
            weights = torch.where((labels == UNLABELLED)[:, None], weights, own.to(weights.dtype))
        if self.signal.detach:
            masks = torch.split(expert_mask(labels, len(outputs)), 1, dim=1)
            outputs = [route_gradient(output, mask) for output, mask in zip(outputs, masks, strict=True)]
            weights = route_gradient(weights, gate_mask(labels)[:, None])
        mixed = _mix(weights, outputs)
        if self.signal.gate_coef:
            loss = gate_loss(logits, labels, self.signal.repeats, self.signal.balanced)
            mixed = attach_loss(mixed, self.signal.gate_coef * loss)
        return mixed

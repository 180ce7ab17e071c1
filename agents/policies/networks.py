"""The policy's networks: stacks of linear layers, which also read sparse inputs, and the mixture of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from oversight_gym.agents.policies.multi_hot import MultiHot
from oversight_gym.agents.policies.perceptron import ACTIVATIONS, Layer, perceptron
from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.routing.gradients import expert_mask
from oversight_gym.agents.routing.mixture import Forced, GatedMixture, Mixed, routed_weights, weighted_sum

Features = Tensor | MultiHot
"""Input features: a matrix (batch, features), or a binary matrix in sparse form."""


class Network(nn.Sequential):
    """A sequence of linear layers, with or without an activation after each; from :data:`Features` to (batch,
    outputs)."""

    _unchanged: list[Layer] | None = None

    def forward(self, features: Features) -> Tensor:
        """As in ``Sequential``; for sparse features it sums in another order and is faster."""
        if isinstance(features, Tensor):
            outputs: Tensor = super().forward(features)  # type: ignore[no-untyped-call]
            return outputs
        return perceptron(features, self._unchanged or self._layers())

    def behind(self, features: MultiHot, weight: Tensor, mask: Tensor | None = None) -> Tensor:
        """The output of a linear layer after the network, shape (rows, outputs), computed chunk by chunk within the
        cache.

        Args:
            features: the inputs.
            weight: the weight of that layer, shape (outputs, the network's outputs).
            mask: shape (rows,), bool: the rows whose gradient reaches the network; None for all.
        """
        before = self._unchanged or self._layers()
        own = weight if before else weight.T.contiguous()  # as the first layer's
        layer = Layer(own, weight.new_zeros(len(weight)), ACTIVATIONS[nn.Identity])
        return perceptron(features, [*before, layer], mask)

    def _layers(self) -> list[Layer]:
        layers: list[Any] = [*self, None]
        found: list[Layer] = []
        for linear, following in pairwise(layers):
            if type(linear) not in ACTIVATIONS:
                weight = linear.weight if found else _table(linear)
                found.append(Layer(weight, linear.bias, ACTIVATIONS.get(type(following), ACTIVATIONS[nn.Identity])))
        return found

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Within the block no parameter may change and no gradient may be taken; values derived from parameters are
        cached."""
        with torch.no_grad():
            self._unchanged = self._layers()
            try:
                yield
            finally:
                self._unchanged = None


def _table(first: nn.Linear | PointwiseLinear) -> Tensor:
    return first.table if isinstance(first, PointwiseLinear) else first.weight.T.contiguous()


def mlp(sizes: Sequence[int], activation: type[nn.Module], planes: int = 0, channels: int = 0) -> Network:
    """Linear layers of these sizes, an activation after each; with ``channels``, behind a 1 x 1 convolution."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    if channels:
        layers[0] = PointwiseLinear(planes, channels, sizes[0] // planes, sizes[1])
    return Network(*layers)


class MixtureExtractor(GatedMixture):
    """Experts mixed by a gate, beside a separate value network; it replaces SB3's ``MlpExtractor``.

    The gate has one logit per expert, the last fixed at 0, so that with two experts the first one's weight
    is a sigmoid. A single expert has no gate and equals SB3's ``MlpExtractor`` bit for bit.

    Args:
        features_dim: the number of input features.
        experts: the names of the experts.
        net_arch: the sizes of the hidden layers under ``pi`` (each expert), ``vf`` (value network) and ``gate``.
        activation_fn: the activation after every hidden layer.
        gated: whether there is a gate to learn; without one every expert has the same weight.
        linear_value: whether the value network has no activations.
        planes: the number of planes of the observations; needed with ``channels``.
        channels: the number of channels, under ``gate`` and ``vf``, of a 1 x 1 convolution before that network's first
            hidden layer.

    Attributes:
        forced_gate: the gate that replaces the free gate in every forward pass; None if the gate is free.
    """

    def __init__(
        self,
        features_dim: int,
        experts: Sequence[str],
        net_arch: Mapping[str, list[int]],
        activation_fn: type[nn.Module],
        gated: bool = True,
        linear_value: bool = False,
        planes: int = 0,
        channels: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        expert_sizes, value_sizes, gate_sizes = ([features_dim, *net_arch.get(key, [])] for key in ("pi", "vf", "gate"))
        super().__init__({name: mlp(expert_sizes, activation_fn) for name in experts})
        self.latent_dim_pi = expert_sizes[-1]
        self.latent_dim_vf = value_sizes[-1]
        of_value = nn.Identity if linear_value else activation_fn
        self.value_net = mlp(value_sizes, of_value, planes, channels.get("vf", 0))
        if gated and len(experts) > 1:
            layers = mlp(gate_sizes, activation_fn, planes, channels.get("gate", 0))
            self.gate = layers.append(nn.Linear(gate_sizes[-1], len(experts) - 1))
        self.forced_gate: Forced | None = None

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # as SB3 expects
        """Mixed expert features (batch, latent_dim_pi) and value features (batch, latent_dim_vf)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Features) -> Tensor:
        """Mixed expert features, shape (batch, latent_dim_pi), by the free or the forced gate."""
        return self.mix(features, gate=self.forced_gate).output

    def logits(
        self,
        features: MultiHot,
        head: nn.Linear,
        labels: Tensor | None = None,
        detach: bool = False,
        hard: bool = False,
    ) -> Mixed:
        """The output of a linear head on the mixture, equal to ``head(self.mix(...).output)`` up to rounding.

        The head is applied to every expert before they are mixed, so that a few numbers per sample are weighted and
        masked instead of all its features. The ``expert_outputs`` of the result are empty.
        """
        gate_logits = self.gate_logits(features)
        masks: Sequence[Tensor | None] = [None] * len(self.experts)
        if labels is not None and detach:
            masks = expert_mask(labels, len(self.experts)).unbind(dim=1)
        experts: Any = self.experts.values()
        outputs = [expert.behind(features, head.weight, mask) for expert, mask in zip(experts, masks, strict=True)]
        if len(outputs) > 1:
            weights = routed_weights(gate_logits, labels, detach, hard, self.forced_gate)
            outputs = [weighted_sum(weights, outputs)]
        return Mixed(outputs[0] + head.bias, [], gate_logits)

    def forward_critic(self, features: Features) -> Tensor:
        """Value features, shape (batch, latent_dim_vf)."""
        return self.value_net(features)  # type: ignore[no-any-return]

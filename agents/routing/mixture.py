"""The gated mixture: K expert modules, a gate, and how routing labels act on them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing.gradients import UNLABELLED, expert_mask, gate_mask, route_gradient

Forced = Tensor | Callable[[Tensor], Tensor]
"""A replacement for the free gate: weights of the experts, shape (experts,) or (batch, experts), or a function from the
free weights (batch, experts) to the weights that are used."""


class Mixed(NamedTuple):
    """The output of a mixture for a batch.

    Attributes:
        output: shape (batch, ...): the experts' outputs, mixed. Its gradient is routed.
        expert_outputs: one tensor (batch, ...) per expert. Their own gradients are not routed.
        gate_logits: shape (batch, experts), not routed either.
    """

    output: Tensor
    expert_outputs: list[Tensor]
    gate_logits: Tensor


def gate_shares(counts: Tensor, balanced: bool = True) -> Tensor:
    """The weight of a sample in the mean of :func:`gate_loss`, by the expert of its label.

    Args:
        counts: shape (experts,): the number of labelled samples of each expert.
        balanced: whether all experts with samples count equally; if not, all labelled samples do.

    Returns:
        shape (experts,), float32; 0 for experts without samples.
    """
    total = counts.sum() if not balanced else counts * (counts > 0).sum()
    return torch.where(counts > 0, 1 / _nonzero(total.float()), 0.0)


def gate_loss(
    gate_logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    balanced: bool = True,
    shares: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the gate towards the labelled expert; 0 if no sample is labelled.

    For two experts this is the binary cross-entropy of the first expert's weight towards 1 where that expert is the
    label and towards 0 where the other is. If balanced, each expert's samples are averaged first and the labelled
    experts then count equally, so that an expert which happens to be labelled more often does not draw the gate's
    prior, and with it all further data, to itself. The paper's loss is the mean over labelled samples.

    Args:
        gate_logits: shape (batch, experts).
        labels: shape (batch,), int64: the index of an expert, or ``UNLABELLED``.
        weights: the weight of each row, shape (batch,), for example the number of samples it stands for; None for equal
            weights.
        balanced: as above.
        shares: the weight of a sample of each expert, shape (experts,), if it is computed over more samples than these;
            None for :func:`gate_shares` of these.

    Returns:
        scalar.
    """
    losses = functional.cross_entropy(gate_logits, labels, ignore_index=UNLABELLED, reduction="none")
    of_expert = labels[:, None] == torch.arange(gate_logits.shape[1], device=labels.device)
    if weights is not None:
        of_expert = of_expert * weights[:, None]
    if shares is None:
        shares = gate_shares(of_expert.sum(dim=0), balanced)
    return ((losses[:, None] * of_expert).sum(dim=0) * shares).sum()


def _nonzero(counts: Tensor) -> Tensor:
    return torch.where(counts > 0, counts, torch.ones_like(counts))


def _softmax(logits: Tensor) -> Tensor:
    """The softmax over the last of two dimensions. It is computed along the first, which is far faster for few experts
    and many samples."""
    weights: Tensor = logits.T.contiguous().softmax(dim=0).T
    return weights


def weigh(free: Tensor, gate: Forced | None) -> Tensor:
    """The experts' weights, from the free weights (batch, experts) and their replacement, if any; same shape."""
    if gate is None:
        return free
    return gate.expand_as(free) if isinstance(gate, Tensor) else gate(free)


def routed_weights(logits: Tensor, labels: Tensor | None, detach: bool, hard: bool, gate: Forced | None) -> Tensor:
    """The weights of the experts, shape (batch, experts), from the gate's logits and the labels; see ``mix``."""
    weights = weigh(_softmax(logits), gate)
    if labels is not None and hard:
        own = torch.arange(logits.shape[1], device=labels.device) == labels[:, None]
        weights = torch.where((labels == UNLABELLED)[:, None], weights, own.to(weights.dtype))
    if labels is not None and detach:
        weights = route_gradient(weights, gate_mask(labels)[:, None])
    return weights


def _columns(matrix: Tensor, like: Tensor) -> list[Tensor]:
    """The columns of a matrix (batch, experts), each shaped to broadcast over a tensor (batch, ...)."""
    return [column.reshape(-1, *(1,) * (like.dim() - 1)) for column in torch.split(matrix, 1, dim=1)]


def weighted_sum(weights: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    """The sum of outputs, each (batch, ...), by weights (batch, experts)."""
    first, *others = _columns(weights, outputs[0])
    mixed = first * outputs[0]
    for weight, output in zip(others, outputs[1:], strict=True):
        mixed = torch.addcmul(mixed, weight, output)
    return mixed


class GatedMixture(nn.Module):
    """The outputs of several experts, weighted by a gate; labels determine where the gradient of each sample goes.

    Args:
        experts: modules by name, which map the same features (batch, ...) to outputs of the same shape (batch, ...).
        gate: a module from the features to logits (batch, experts), or (batch, experts - 1), where the last expert's
            logit is 0; None for equal weights.
    """

    def __init__(self, experts: Mapping[str, nn.Module], gate: nn.Module | None = None) -> None:
        super().__init__()
        self.experts = nn.ModuleDict(experts)
        self.gate = gate

    def expert_outputs(self, features: Any) -> list[Tensor]:
        """The output of every expert, each of shape (batch, ...)."""
        return [expert(features) for expert in self.experts.values()]

    def gate_logits(self, features: Any) -> Tensor:
        """The gate's logits, shape (batch, experts); all 0 without a gate."""
        if self.gate is None:
            return next(self.parameters()).new_zeros(self.batch_size(features), len(self.experts))
        logits: Tensor = self.gate(features)
        if logits.shape[1] == len(self.experts):
            return logits
        return torch.cat([logits, logits.new_zeros(len(logits), 1)], dim=1)

    def gate_weights(self, features: Any) -> Tensor:
        """The weights of the free gate, shape (batch, experts); each row sums to 1."""
        return _softmax(self.gate_logits(features))

    def batch_size(self, features: Any) -> int:
        """The number of samples in a batch of features."""
        return len(features)

    def mix(
        self,
        features: Any,
        labels: Tensor | None = None,
        *,
        detach: bool = True,
        hard: bool = False,
        gate: Forced | None = None,
    ) -> Mixed:
        """Mix the experts' outputs. Labels change where gradients go and, except with ``hard``, no value.

        Args:
            features: the input of the experts and the gate.
            labels: shape (batch,), int64: index of the expert that a sample is routed to, or ``UNLABELLED``; None for
                no routing.
            detach: whether the gradient of a labelled sample stops at the other experts and at the gate.
            hard: whether a labelled sample passes only through its expert.
            gate: a replacement for the free gate.
        """
        outputs, logits = self.expert_outputs(features), self.gate_logits(features)
        if len(outputs) == 1:
            return Mixed(outputs[0], outputs, logits)
        weights = routed_weights(logits, labels, detach, hard, gate)
        routed = outputs
        if labels is not None and detach:
            masks = _columns(expert_mask(labels, len(outputs)), outputs[0])
            routed = [route_gradient(output, mask) for output, mask in zip(outputs, masks, strict=True)]
        return Mixed(weighted_sum(weights, routed), outputs, logits)

    def forward(
        self,
        features: Any,
        labels: Tensor | None = None,
        *,
        detach: bool = True,
        hard: bool = False,
        gate: Forced | None = None,
    ) -> Mixed:
        """As :meth:`mix`."""
        return self.mix(features, labels, detach=detach, hard=hard, gate=gate)

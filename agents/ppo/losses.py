"""The terms of an actor-critic loss; each is a function of a minibatch and the policy's forward pass on it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from oversight_gym.agents.policies.forward import ForwardPass, Minibatch
from oversight_gym.agents.routing import mixture
from oversight_gym.agents.routing.gradients import UNLABELLED

Loss = Callable[[Minibatch, ForwardPass], Tensor]
"""A function from a minibatch and the forward pass on it to a scalar."""


class Term(NamedTuple):
    """A summand of the loss.

    Attributes:
        loss: the function.
        coefficient: its weight in the sum.
    """

    loss: Loss
    coefficient: float = 1.0


def ratio(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """The ratio of each action's probability now to that when it was taken, shape (batch,)."""
    return torch.exp(forward.log_prob - batch.old_log_prob)


def clipped_policy_loss(clip_range: float) -> Loss:
    """PPO's clipped surrogate objective (Schulman et al., arXiv 1707.06347, equation 7), negated."""

    def loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
        now = ratio(batch, forward)
        unclipped = batch.advantages * now
        clipped = batch.advantages * torch.clamp(now, 1 - clip_range, 1 + clip_range)
        return -batch.mean(torch.min(unclipped, clipped))

    return loss


def policy_gradient_loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """The loss whose gradient is the policy gradient, as in A2C and REINFORCE."""
    return -batch.mean(batch.advantages * forward.log_prob)


def value_loss(clip_range: float | None = None) -> Loss:
    """The squared error of the values; with a clip range, of values that are clipped to that distance from the old
    ones."""

    def loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
        values = forward.values
        if clip_range is not None:
            values = batch.old_values + torch.clamp(values - batch.old_values, -clip_range, clip_range)
        if batch.weights is None:
            return functional.mse_loss(batch.returns, values)  # rounds as SB3's does
        return batch.mean((batch.returns - values).square())

    return loss


def entropy_loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """The negative entropy of the policy. If there is no analytical entropy, it is estimated from the log-probabilities
    of the actions."""
    return -batch.mean(-forward.log_prob if forward.entropy is None else forward.entropy)


def gate_loss(balanced: bool = True, shares: Tensor | None = None) -> Loss:
    """Cross-entropy of the gate towards the experts that steps are routed to (see ``routing.gate_loss``).

    Args:
        balanced: whether all experts count equally; if not, all labelled steps do.
        shares: the weight of a labelled step of each expert relative to a step of the minibatch, shape (experts,). With
            the shares of :func:`rollout_shares`, the mean over a rollout's minibatches is the loss over the rollout.
            None for the loss of each minibatch.
    """

    def loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
        assert forward.mixed is not None
        assert forward.labels is not None
        logits, labels, weights = forward.mixed.gate_logits, forward.labels, forward.weights
        own = mixture.gate_loss(logits, labels, weights, balanced, shares)
        return own if shares is None else own / (len(labels) if weights is None else weights.sum())

    return loss


def rollout_shares(labels: NDArray[np.int64], steps: NDArray[Any] | None, experts: int, balanced: bool) -> Tensor:
    """The ``shares`` of :func:`gate_loss`, computed before a rollout is cut into minibatches.

    Args:
        labels: the expert of each step, or ``UNLABELLED``; any shape.
        steps: the weight of each step, same shape; None for equal weights.
        experts: the number of experts.
        balanced: as in :func:`gate_loss`.
    """
    counted = np.ones(labels.shape) if steps is None else steps.astype(np.float64)
    known = labels != UNLABELLED
    counts = np.bincount(labels[known], weights=counted[known], minlength=experts)
    return mixture.gate_shares(torch.from_numpy(counts), balanced) * float(counted.sum())


def normalized(advantages: Tensor) -> Tensor:
    """Advantages with mean 0 and standard deviation 1, as SB3 normalises them; a single one is left unchanged."""
    if len(advantages) < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def approximate_kl(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """An estimate of the KL divergence from the rollout's policy (http://joschu.net/blog/kl-approx.html)."""
    with torch.no_grad():
        log_ratio = forward.log_prob - batch.old_log_prob
        return torch.mean((torch.exp(log_ratio) - 1) - log_ratio)


def clip_fraction(batch: Minibatch, forward: ForwardPass, clip_range: float) -> Tensor:
    """The share of steps whose ratio is outside the clipping range."""
    with torch.no_grad():
        return torch.mean((torch.abs(ratio(batch, forward) - 1) > clip_range).float())

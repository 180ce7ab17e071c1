"""The terms of an actor-critic loss, each a function of a minibatch and the policy's answer to it."""

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
"""From a minibatch and the forward pass on it to a scalar."""


class Term(NamedTuple):
    """A summand of the loss.

    Attributes:
        loss: the function.
        coefficient: its weight in the sum.
    """

    loss: Loss
    coefficient: float = 1.0


def ratio(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """Probability of each action now over that when it was taken, shape (batch,)."""
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
    """The loss whose gradient is the policy gradient, as A2C and REINFORCE have it."""
    return -batch.mean(batch.advantages * forward.log_prob)


def value_loss(clip_range: float | None = None) -> Loss:
    """Squared error of the values; with a clip range, of values that moved no further than that from the old ones."""

    def loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
        values = forward.values
        if clip_range is not None:
            values = batch.old_values + torch.clamp(values - batch.old_values, -clip_range, clip_range)
        if batch.weights is None:
            return functional.mse_loss(batch.returns, values)  # rounds as SB3's does
        return batch.mean((batch.returns - values).square())

    return loss


def entropy_loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """Negative entropy of the policy, where it has no analytical one by the log-probabilities of the actions taken."""
    return -batch.mean(-forward.log_prob if forward.entropy is None else forward.entropy)


def gate_loss(balanced: bool = True, shares: Tensor | None = None) -> Loss:
    """Cross-entropy of the gate towards the experts that steps are routed to (see ``routing.gate_loss``).

    Args:
        balanced: whether the experts count equally, or every labelled step.
        shares: how much a labelled step of each expert counts against a step of the minibatch, shape (experts,): those
            of :func:`rollout_shares` make the mean over a rollout's minibatches the loss over the rollout. None for the
            loss of each minibatch.
    """

    def loss(batch: Minibatch, forward: ForwardPass) -> Tensor:
        assert forward.mixed is not None
        assert forward.labels is not None
        logits, labels, weights = forward.mixed.gate_logits, forward.labels, forward.weights
        own = mixture.gate_loss(logits, labels, weights, balanced, shares)
        return own if shares is None else own / (len(labels) if weights is None else weights.sum())

    return loss


def rollout_shares(labels: NDArray[np.int64], steps: NDArray[Any] | None, experts: int, balanced: bool) -> Tensor:
    """The ``shares`` of :func:`gate_loss`, decided before a rollout is cut into minibatches.

    Args:
        labels: any shape: expert of each step, or ``UNLABELLED``.
        steps: of the same shape: how much each step counts; None for equally.
        experts: number of experts.
        balanced: as there.
    """
    counted = np.ones(labels.shape) if steps is None else steps.astype(np.float64)
    known = labels != UNLABELLED
    counts = np.bincount(labels[known], weights=counted[known], minlength=experts)
    return mixture.gate_shares(torch.from_numpy(counts), balanced) * float(counted.sum())


def normalized(advantages: Tensor) -> Tensor:
    """With mean 0 and standard deviation 1, as SB3 normalises them; a single one is left as it is."""
    if len(advantages) < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def approximate_kl(batch: Minibatch, forward: ForwardPass) -> Tensor:
    """Estimate of the divergence of the policy from that of the rollout (http://joschu.net/blog/kl-approx.html)."""
    with torch.no_grad():
        log_ratio = forward.log_prob - batch.old_log_prob
        return torch.mean((torch.exp(log_ratio) - 1) - log_ratio)


def clip_fraction(batch: Minibatch, forward: ForwardPass, clip_range: float) -> Tensor:
    """Share of the steps whose ratio left the clipping range."""
    with torch.no_grad():
        return torch.mean((torch.abs(ratio(batch, forward) - 1) > clip_range).float())

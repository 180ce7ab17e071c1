"""The input of a policy's forward pass in an update, and its output."""

from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Discrete
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from oversight_gym.agents.policies.multi_hot import Repeated
from oversight_gym.agents.routing.mixture import Mixed


def mean(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean over the first dimension, each entry counting as much as its weight; scalar for losses (batch,)."""
    if weights is None:
        return losses.mean()
    weights = weights.to(losses.dtype)
    return (weights * losses).sum() / weights.sum()


class Minibatch(NamedTuple):
    """Steps of a rollout, with the fields of SB3's ``RolloutBufferSamples`` and those that routing adds.

    Attributes:
        observations: shape (batch, ...), or a dict of such.
        actions: shape (batch, action dimensions), float32.
        old_values, old_log_prob, advantages, returns: shape (batch,), float32.
        labels: shape (batch,), int64: the index of the expert that a step is routed to, or ``UNLABELLED``; None if
            there are no labels.
        weights: shape (batch,), float32, the weight of each step; None for equal weights.
        ones: the observations in sparse form, if the rollout has determined which of them are equal.
    """

    observations: Any
    actions: Tensor
    old_values: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor
    labels: Tensor | None = None
    weights: Tensor | None = None
    ones: Repeated | None = None

    def mean(self, losses: Tensor) -> Tensor:
        """The mean of losses (batch,) over the steps, by their weights."""
        return mean(losses, self.weights)


class ForwardPass(NamedTuple):
    """The result of a policy's forward pass on a minibatch, with its graph.

    Equal observations with equal labels may be evaluated once. Values for observations therefore have a row for each
    distinct observation, with weights, and values for steps have an entry for each step.

    Attributes:
        values, log_prob: shape (batch,).
        entropy: shape (batch,); None if the distribution has no analytical entropy.
        observations: shape (rows, ...), or a dict of such.
        mixed: the mixture's experts and gate, (rows, ...); None if the policy is not a mixture.
        labels: shape (rows,), int64; None if there are none.
        weights: shape (rows,), the weight of each row, for example the number of steps that it stands for; None for
            equal weights.
    """

    values: Tensor
    log_prob: Tensor
    entropy: Tensor | None
    observations: Any
    mixed: Mixed | None = None
    labels: Tensor | None = None
    weights: Tensor | None = None

    def mean(self, losses: Tensor) -> Tensor:
        """The mean of losses (rows,) over the minibatch's steps."""
        return mean(losses, self.weights)


def taken_actions(policy: ActorCriticPolicy, batch: Minibatch) -> Tensor:
    """The actions of a minibatch as the policy's distribution takes them: shape (batch,), int64, if discrete."""
    return batch.actions.long().flatten() if isinstance(policy.action_space, Discrete) else batch.actions


def forward_batch(
    policy: ActorCriticPolicy, batch: Minibatch, detach: bool = False, hard: bool = False, outputs: bool = True
) -> ForwardPass:
    """A policy's forward pass on a minibatch; for an SB3 policy without experts, the result of ``evaluate_actions``.

    Args:
        policy: the policy.
        batch: the steps.
        detach: whether the gradient of a labelled step stops at the other experts and at the gate.
        hard: whether a labelled step passes only through its expert.
        outputs: whether the experts' outputs are needed; if not, those of ``mixed`` may be missing.
    """
    own = getattr(policy, "forward_batch", None)
    if own is not None:
        answer: ForwardPass = own(batch, detach, hard, outputs)
        return answer
    values, log_prob, entropy = policy.evaluate_actions(batch.observations, taken_actions(policy, batch))
    return ForwardPass(
        values.flatten(), log_prob, entropy, batch.observations, labels=batch.labels, weights=batch.weights
    )


def row_weights(row: Tensor, repeats: Tensor, weights: Tensor | None) -> Tensor:
    """The weight of each row: the number of the steps (batch,) that belong to it, or the sum of their weights; shape
    (rows,)."""
    if weights is None:
        return repeats
    return torch.zeros(len(repeats), dtype=weights.dtype, device=weights.device).index_add(0, row, weights)

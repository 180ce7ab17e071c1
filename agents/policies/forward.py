"""What an update hands to a policy, and what it gets back."""

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
    """Steps of a rollout, in the order of SB3's ``RolloutBufferSamples``, with what routing adds.

    Attributes:
        observations: shape (batch, ...), or a dict of such.
        actions: shape (batch, action dimensions), float32.
        old_values, old_log_prob, advantages, returns: shape (batch,), float32.
        labels: shape (batch,), int64: index of the expert that a step is routed to, or ``UNLABELLED``; None where
            there are no labels.
        weights: shape (batch,), float32, how much each step counts; None for equally.
        ones: the observations once more, by their ones, where the rollout has found out which of them are equal.
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
    """What a policy says to a minibatch, with its graph.

    Equal observations with equal labels may be evaluated once, so what belongs to observations has a row for each that
    differs, with weights; what belongs to steps has an entry for each.

    Attributes:
        values, log_prob: shape (batch,).
        entropy: shape (batch,); None where the distribution has no analytical one.
        observations: shape (rows, ...), or a dict of such.
        mixed: the mixture's experts and gate, (rows, ...); None if the policy is no mixture.
        labels: shape (rows,), int64; None where there are none.
        weights: shape (rows,), how much each row counts, for example how many steps it stands for; None for equally.
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
    """A policy's answer to a minibatch; of an SB3 policy without experts, what ``evaluate_actions`` says.

    Args:
        policy: the policy.
        batch: the steps.
        detach: whether the gradient of a labelled step stops at the other experts and at the gate.
        hard: whether a labelled step passes through its expert alone.
        outputs: whether the experts' outputs are asked for; without them, those of ``mixed`` may be missing.
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
    """How much each row counts whose steps are (batch,) ``row``: their number, or the sum of their weights; (rows,)."""
    if weights is None:
        return repeats
    return torch.zeros(len(repeats), dtype=weights.dtype, device=weights.device).index_add(0, row, weights)

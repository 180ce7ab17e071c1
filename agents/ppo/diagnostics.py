"""What RoutedPPO logs beside SB3's own figures: outcomes observed, gate, gradients per expert and label."""

from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger

from oversight_gym.agents.policies.mixture import gate_loss
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.buffer import RoutedRolloutBuffer
from oversight_gym.agents.routing.gradients import UNLABELLED
from oversight_gym.envs.oversight.outcomes import Outcome

SAMPLE = 256
"""Steps per label that the diagnostics look at; enough for a log line, too few to cost anything."""


def record_outcomes(logger: Logger, buffer: RoutedRolloutBuffer) -> NDArray[np.int64]:
    """``outcomes/<name>``: share of the rollout's finished episodes observed so; ``outcomes/kept_steps``.

    Returns:
        shape (outcomes,), int64: the episodes behind the shares.
    """
    counts = np.bincount(buffer.observed[buffer.ended], minlength=len(Outcome))
    for outcome in Outcome:
        logger.record(f"outcomes/{outcome.name.lower()}", counts[outcome] / max(counts.sum(), 1))
    logger.record("outcomes/kept_steps", float(buffer.kept().mean()))
    return counts


def record_routing(logger: Logger, policy: GatedMixturePolicy, buffer: RoutedRolloutBuffer) -> None:
    """``train/gate_loss``, ``gate/<label>`` and ``grad_norm/<expert>_on_<label>`` after an update.

    Gate loss: every label counts equally. Gate: mean weight of the first expert on steps with each label. Gradient
    norm: of the policy-gradient loss of the steps with one label, as routed, at each expert's parameters. Call
    within ``policy.routed(...)``, whose labels must come from ``buffer.batch_labels``; nothing is drawn at random.
    """
    labels = buffer.labels()
    kept = buffer.kept()
    names = {UNLABELLED: "unlabelled"} | dict(enumerate(policy.experts))
    losses = []
    for label, name in names.items():
        steps = np.flatnonzero(kept & (labels == label))[:SAMPLE]
        if not len(steps):
            continue
        buffer.batch_labels = torch.as_tensor(labels[steps], device=policy.device)
        samples = buffer._get_samples(steps)
        with torch.no_grad():
            logits = policy.mixture.gate_logits(policy.policy_features(samples.observations))
        logger.record(f"gate/{name}", float(logits.softmax(dim=1)[:, 0].mean()))
        if label == UNLABELLED:
            continue
        losses.append(float(gate_loss(logits, buffer.batch_labels)))
        log_prob = policy.get_distribution(samples.observations).log_prob(samples.actions.long().flatten())
        loss = -(samples.advantages * log_prob).mean()
        experts = policy.mixture.experts
        gradients = iter(torch.autograd.grad(loss, list(experts.parameters()), allow_unused=True))
        for expert, module in experts.items():
            own = islice(gradients, len(list(module.parameters())))
            squares = [float(gradient.square().sum()) for gradient in own if gradient is not None]
            logger.record(f"grad_norm/{expert}_on_{name}", float(np.sqrt(sum(squares))))
    if losses:
        logger.record("train/gate_loss", float(np.mean(losses)))

"""The diagnostics of routing that are logged beside the terms of the loss: observed outcomes, gate, and gradients per
expert and label."""

from collections.abc import Mapping
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger
from torch import Tensor

from oversight_gym.agents.policies.forward import Minibatch, mean
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.buffer import OutcomeBuffer, flat
from oversight_gym.agents.ppo.losses import policy_gradient_loss
from oversight_gym.agents.ppo.routes import Routes
from oversight_gym.agents.routing.gradients import UNLABELLED

SAMPLE = 256
"""The number of steps per label that the diagnostics use: enough for a log line, and few enough to take no time."""


def record_outcomes(logger: Logger, routes: Routes, buffer: OutcomeBuffer) -> NDArray[np.int64]:
    """Log ``outcomes/<name>``, the share of the rollout's finished episodes with that observed outcome, and
    ``outcomes/kept_steps``.

    Returns:
        shape (outcomes,), int64: the number of episodes with each outcome.
    """
    counts = np.bincount(buffer.observed[buffer.ended], minlength=len(routes.names))
    for name, count in zip(routes.names, counts, strict=True):
        logger.record(f"outcomes/{name}", count / max(counts.sum(), 1))
    logger.record("outcomes/kept_steps", float(buffer.kept().mean()))
    return counts


def _sample(steps: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most ``SAMPLE`` of the steps, evenly spaced, so that all environments are represented."""
    return steps if len(steps) <= SAMPLE else steps[np.linspace(0, len(steps) - 1, SAMPLE).astype(np.intp)]


def record_routing(
    logger: Logger, policy: GatedMixturePolicy, buffer: OutcomeBuffer, routing: Mapping[str, bool]
) -> None:
    """Log ``gate/<label>`` and ``grad_norm/<expert>_on_<label>`` after an update.

    The gate is the mean weight of the first expert on the steps with each label. The gradient norm is that of the
    routed policy-gradient loss of the steps with one label, at each expert's parameters. Nothing is drawn at random.
    """
    assert buffer.labels is not None
    labels, kept = flat(buffer.labels), flat(buffer.kept())
    names = {UNLABELLED: "unlabelled"} | dict(enumerate(policy.experts))
    batch = buffer.minibatch(np.concatenate([_sample(np.flatnonzero(kept & (labels == label))) for label in names]))
    forward = policy.forward_batch(batch, **routing, outputs=False)  # of all at once, which costs a third
    assert forward.mixed is not None
    assert forward.labels is not None
    assert batch.labels is not None
    first = forward.mixed.gate_logits.detach().softmax(dim=1)[:, 0]
    for label, name in names.items():
        rows, steps = forward.labels.eq(label), batch.labels.eq(label)
        if not steps.any():
            continue
        weights = None if forward.weights is None else forward.weights[rows]
        logger.record(f"gate/{name}", float(mean(first[rows], weights)))
        if label == UNLABELLED:
            continue
        experts = policy.mixture.experts
        loss = policy_gradient_loss(_only(batch, steps), forward._replace(log_prob=forward.log_prob[steps]))
        gradients = iter(torch.autograd.grad(loss, list(experts.parameters()), retain_graph=True, allow_unused=True))
        for expert, module in experts.items():
            own = islice(gradients, len(list(module.parameters())))
            squares = [float(gradient.square().sum()) for gradient in own if gradient is not None]
            logger.record(f"grad_norm/{expert}_on_{name}", float(np.sqrt(sum(squares))))


def _only(batch: Minibatch, steps: Tensor) -> Minibatch:
    """Some steps of a minibatch, (batch,) bool."""
    weights = None if batch.weights is None else batch.weights[steps]
    return batch._replace(advantages=batch.advantages[steps], weights=weights)

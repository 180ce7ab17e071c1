"""One complete PPO update: that of stable-baselines3's ``PPO.train``, as a sum of named loss terms."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

from oversight_gym.agents.policies.forward import forward_batch
from oversight_gym.agents.ppo import losses
from oversight_gym.agents.ppo.losses import Term

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.routed_ppo import RoutedPPO


def ppo_terms(model: "RoutedPPO", clip_range: float, clip_range_vf: float | None) -> dict[str, Term]:
    """The terms of PPO's loss, by the name under which each is logged, then those of the method in force."""
    return {
        "policy_gradient_loss": Term(losses.clipped_policy_loss(clip_range)),
        "entropy_loss": Term(losses.entropy_loss, model.ent_coef),
        "value_loss": Term(losses.value_loss(clip_range_vf), model.vf_coef),
        **model.routing_terms(),
    }


def update(model: "RoutedPPO") -> None:
    """Train a model's policy on its rollout: epochs of minibatches, one optimizer step each.

    With plain terms, no routing and one expert, the resulting parameters equal those of SB3's PPO bit for bit.
    """
    policy, buffer, optimizer = model.policy, model.rollout_buffer, model.policy.optimizer
    policy.set_training_mode(True)
    model._update_learning_rate(optimizer)
    progress_remaining: Any = model._current_progress_remaining
    clip_range = model.clip_range(progress_remaining)  # type: ignore[operator]
    clip_range_vf = model.clip_range_vf and model.clip_range_vf(progress_remaining)  # type: ignore[operator]
    terms = ppo_terms(model, clip_range, clip_range_vf)
    parameters = list(policy.parameters())
    own_terms = bool(model.stage.loss_terms(model))  # they may look at the experts' outputs
    log: defaultdict[str, list[Tensor]] = defaultdict(list)
    stopped = False

    for epoch in range(model.n_epochs):
        log["approx_kl"].clear()  # logged of the last epoch
        for batch in buffer.get(model.batch_size):
            if model.normalize_advantage:
                batch = batch._replace(advantages=losses.normalized(batch.advantages))
            forward = forward_batch(policy, batch, **model.routing, outputs=own_terms)
            parts = {name: term.loss(batch, forward) for name, term in terms.items()}
            loss = torch.stack([term.coefficient * parts[name] for name, term in terms.items()]).sum()

            approx_kl = losses.approximate_kl(batch, forward)
            parts |= {"loss": loss, "approx_kl": approx_kl}
            parts["clip_fraction"] = losses.clip_fraction(batch, forward, clip_range)
            for name, part in parts.items():
                log[name].append(part.detach())
            if model.target_kl is not None and approx_kl > 1.5 * model.target_kl:
                stopped = True
                if model.verbose >= 1:
                    print(f"Early stopping at step {epoch} due to reaching max kl: {approx_kl:.2f}")
                break

            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, model.max_grad_norm)
            optimizer.step()
        model._n_updates += 1
        if stopped:
            break

    log["loss"] = log["loss"][-1:]  # as SB3 logs it, of the last minibatch
    for name, values in log.items():
        model.logger.record(f"train/{name}", float(torch.stack(values).mean()))
    explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
    model.logger.record("train/explained_variance", explained)
    if hasattr(policy, "log_std"):
        model.logger.record("train/std", torch.exp(policy.log_std).mean().item())
    model.logger.record("train/n_updates", model._n_updates, exclude="tensorboard")
    model.logger.record("train/clip_range", clip_range)
    if clip_range_vf is not None:
        model.logger.record("train/clip_range_vf", clip_range_vf)

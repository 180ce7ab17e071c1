"""Variants of routing, each a hypothesis about why it erodes or why its seeds differ; a plug-in.

oversight-gym train --plugin scripts/erosion_methods.py --method blind_gate --oversight 0.1
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents import METHODS, Method, register
from oversight_gym.agents.policies.optimizer import LightAdam
from oversight_gym.agents.ppo import losses
from oversight_gym.agents.ppo.labels import fill_back
from oversight_gym.agents.ppo.losses import Term
from oversight_gym.agents.routing import UNLABELLED
from oversight_gym.envs.config import EnvConfig

ROUTED: dict[str, Any] = {"routed": True, "gate_loss": True}
REMEMBERED, BATCH = 50_000, 512
"""Labelled steps that are remembered, and those of them in each minibatch."""


class Kept:
    """The state of a method during training. These runs are not resumed, so it is not saved."""

    def __init__(self, seed: int | None, use: int) -> None:
        self.rng = np.random.default_rng(None if seed is None else [seed, use])
        self.observations: NDArray[np.int8] | None = None
        self.labels = np.zeros(REMEMBERED, dtype=np.int64)
        self.count = 0
        self.network: nn.Module | None = None
        self.optimizer: torch.optim.Optimizer | None = None

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {}

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class BlindGate(Method):
    """Only the gate does not see oversight, so it cannot learn its label from it."""

    def start(self, model: Any) -> Mapping[str, Any]:
        config: EnvConfig = model.env_config
        planes = config.view_part.planes(config.world)
        kept = torch.ones(model.observation_space.shape)
        kept[planes.index("oversight")] = 0.0
        weight = model.policy.mixture.gate[0].weight
        with torch.no_grad():
            weight.mul_(kept.flatten())
        weight.register_hook(lambda gradient: gradient * kept.flatten())
        return {}


@dataclass(frozen=True)
class LabelledByGate(Method):
    """In a share of the episodes, unobserved ends get a label drawn from the gate at the last step."""

    share: float = 1.0

    def start(self, model: Any) -> Mapping[str, Any]:
        return {"draws": Kept(model.seed, 11)}

    @torch.no_grad()
    def labels(self, model: Any, buffer: Any) -> NDArray[np.int64]:
        unknown, policy, rng = model.routes.code("unknown"), model.policy, model.memory["draws"].rng
        where = np.nonzero(buffer.ended & (buffer.observed == unknown))
        seen = policy.extract_features(torch.from_numpy(buffer.seen(where)))
        upto = policy.mixture.gate_weights(seen).numpy().cumsum(axis=1)[:, :-1]
        drawn = (rng.random((len(upto), 1)) > upto).sum(axis=1)
        codes = np.array([model.routes.code(name) for name in policy.experts])
        observed = buffer.observed.copy()
        observed[where] = np.where(rng.random(len(drawn)) < self.share, codes[drawn], unknown)
        labels: NDArray[np.int64] = model.routes.labels(fill_back(buffer.ended, observed))
        return labels


@dataclass(frozen=True)
class GateWithMemory(Method):
    """The gate loss is over labelled steps that are remembered from many rollouts."""

    def start(self, model: Any) -> Mapping[str, Any]:
        return {"steps": Kept(model.seed, 12)}

    def labels(self, model: Any, buffer: Any) -> NDArray[np.int64]:
        labels, kept = super().labels(model, buffer), model.memory["steps"]
        where = np.nonzero(labels != UNLABELLED)
        seen = buffer.seen(where)[-REMEMBERED:]
        if kept.observations is None:
            kept.observations = np.zeros((REMEMBERED, *seen.shape[1:]), dtype=np.int8)
        rows = (kept.count + np.arange(len(seen))) % REMEMBERED
        kept.observations[rows], kept.labels[rows] = seen, labels[where][-REMEMBERED:]
        kept.count += len(seen)
        return labels

    def loss_terms(self, model: Any) -> Mapping[str, Term]:
        kept, known = model.memory["steps"], min(model.memory["steps"].count, REMEMBERED)
        if not known:
            return {}
        shares = losses.rollout_shares(kept.labels[:known], None, len(model.experts), model.balanced_gate) / known

        def loss(batch: Any, forward: Any) -> Tensor:
            rows = kept.rng.integers(known, size=BATCH)
            labels = torch.from_numpy(kept.labels[rows])
            seen = model.policy.extract_features(torch.from_numpy(kept.observations[rows]))
            each = functional.cross_entropy(model.policy.mixture.gate_logits(seen), labels, reduction="none")
            return (each * shares[labels]).sum() * known / BATCH

        return {"gate_memory_loss": Term(loss, model.gate_coef)}


class SplitAdam(LightAdam):
    """Adam whose second moment is of the gradients in ``unrouted``, where it has been given them."""

    unrouted: dict[Tensor, Tensor] | None = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step; the moments are those of Kingma and Ba (arXiv 1412.6980), without LightAdam's shortcuts."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                own = self.state[parameter]
                if not own:
                    own |= {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                    own["step"] = torch.zeros(())
                own["step"] += 1
                count, mean, square = own["step"].item(), own["exp_avg"], own["exp_avg_sq"]
                other = parameter.grad if self.unrouted is None else self.unrouted.get(parameter, parameter.grad)
                mean.lerp_(parameter.grad, 1 - first)
                square.mul_(second).addcmul_(other, other, value=1 - second)
                scale = (square / (1 - second**count)).sqrt() + group["eps"]
                parameter.addcdiv_(mean / (1 - first**count), scale, value=-group["lr"])


@dataclass(frozen=True)
class SplitMoments(Method):
    """Adam's first moment from routed gradients, its second from unrouted ones; without ``split`` both from routed."""

    split: bool = True

    def policy_kwargs(self, config: EnvConfig) -> dict[str, Any]:
        return super().policy_kwargs(config) | {"optimizer_class": SplitAdam}

    def loss_terms(self, model: Any) -> Mapping[str, Term]:
        clip_range = model.clip_range(model._current_progress_remaining)
        policy, parameters = model.policy, [*model.policy.mixture.experts.parameters()]

        def unrouted(batch: Any, forward: Any) -> Tensor:
            again = policy.forward_batch(batch, detach=False)
            loss = losses.clipped_policy_loss(clip_range)(batch, again)
            loss = loss + model.ent_coef * losses.entropy_loss(batch, again)
            gradients = torch.autograd.grad(loss, parameters)
            policy.optimizer.unrouted = dict(zip(parameters, gradients, strict=True))
            return loss.new_zeros(())

        return {"unrouted": Term(unrouted, 0.0)} if self.split else {}


@dataclass(frozen=True)
class BaselinePerOutcome(Method):
    """The advantages of labelled steps are taken over a value of their own outcome, learnt from such steps alone."""

    def start(self, model: Any) -> Mapping[str, Any]:
        kept = Kept(model.seed, 13)
        width, experts = int(np.prod(model.observation_space.shape)), len(model.experts)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(kept.rng.integers(2**63)))
            kept.network = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, experts))
        kept.optimizer = LightAdam(kept.network.parameters(), lr=1e-3)
        return {"values": kept}

    @torch.enable_grad()
    def labels(self, model: Any, buffer: Any) -> NDArray[np.int64]:
        labels, kept = super().labels(model, buffer), model.memory["values"]
        where = np.nonzero(labels != UNLABELLED)
        if len(where[0]):
            seen = torch.from_numpy(buffer.seen(where)).flatten(1).float()
            own, returns = torch.from_numpy(labels[where])[:, None], torch.from_numpy(buffer.returns[where])
            buffer.advantages[where] = (returns - kept.network(seen).gather(1, own)[:, 0]).detach().numpy()
            for _ in range(32):
                rows = torch.from_numpy(kept.rng.integers(len(returns), size=min(BATCH, len(returns))))
                error = kept.network(seen[rows]).gather(1, own[rows])[:, 0] - returns[rows]
                kept.optimizer.zero_grad()
                error.square().mean().backward()
                kept.optimizer.step()
        return labels


VARIANTS: Sequence[Method] = (
    BlindGate("blind_gate", "the gate alone does not see oversight", **ROUTED),
    LabelledByGate("labelled_by_gate", "unobserved ends labelled by the gate's own word", **ROUTED),
    LabelledByGate("labelled_by_gate_tenth", "a tenth of unobserved ends labelled so", share=0.1, **ROUTED),
    GateWithMemory("gate_with_memory", "the gate loss is over remembered labelled steps", routed=True),
    SplitMoments("split_moments", "Adam's second moment is of unrouted gradients", **ROUTED),
    SplitMoments("same_moments", "the same optimizer, both moments of routed gradients", split=False, **ROUTED),
    BaselinePerOutcome("baseline_per_outcome", "labelled steps have a baseline of their outcome", **ROUTED),
)
for _variant in VARIANTS:
    if _variant.name not in METHODS:
        register(_variant)

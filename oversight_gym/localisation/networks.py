"""Networks made of a trained policy's: one expert alone, the same without some units, a fresh one, a distilled one."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig
from oversight_gym.evaluation.situations import sampled_blocks
from oversight_gym.localisation.intervene import dense

AGENT = "agent"
"""The single network of a policy without a gate."""
DISTILLED_PLACEMENTS, BATCH, RATE = 200, 512, 2e-3
"""Placements of the terminals that a policy is distilled on, every square of each; situations per step; Adam's rate."""


def policy_kwargs(policy: GatedMixturePolicy) -> dict[str, Any]:
    """What a policy of the same shape is built with, but for its spaces and its learning rate."""
    given = policy._get_constructor_parameters()
    return {name: value for name, value in given.items() if name not in (*_SPACES, "use_sde")}


_SPACES = ("observation_space", "action_space", "lr_schedule")


def _built(policy: GatedMixturePolicy, **changed: Any) -> GatedMixturePolicy:
    """An untrained policy of the same shape but for what is changed."""
    given = policy._get_constructor_parameters()
    made = GatedMixturePolicy(*(given[name] for name in _SPACES), **policy_kwargs(policy) | changed)
    made.set_training_mode(False)
    return made


def lone(policy: GatedMixturePolicy, expert: str) -> GatedMixturePolicy:
    """The policy that one expert alone is: the other experts and the gate are left out, the head and the rest stay.

    Args:
        policy: of one expert or more.
        expert: name of the one that is kept.
    """
    made, weights = _built(policy, experts=(AGENT,)), policy.state_dict()
    kept = {name: weights[name.replace(f"experts.{AGENT}.", f"experts.{expert}.")] for name in made.state_dict()}
    made.load_state_dict(kept)
    return made


def fresh(policy: GatedMixturePolicy, seed: int) -> GatedMixturePolicy:
    """An untrained policy with one network of an expert's size, its weights drawn by a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _built(policy, experts=(AGENT,))


def _chain(policy: GatedMixturePolicy) -> list[nn.Linear]:
    """The linear layers of a policy of one network, its head last."""
    (network,) = policy.mixture.experts.values()
    return [layer for layer in (*network.children(), policy.action_net) if isinstance(layer, nn.Linear)]


@torch.no_grad()
def pruned(policy: GatedMixturePolicy, kept: NDArray[np.bool_]) -> GatedMixturePolicy:
    """A policy of one network without some of its hidden units: a smaller one that does what they would, silenced.

    A layer of which no unit is kept holds one that is always 0.

    Args:
        policy: of one network.
        kept: shape (units,), bool.
    """
    layers = _chain(policy)
    bounds = np.cumsum([0, *(layer.out_features for layer in layers[:-1])])
    rows = [torch.from_numpy(np.flatnonzero(kept[first:last])) for first, last in pairwise(bounds)]
    sizes = [max(1, len(own)) for own in rows]
    made = _built(policy, net_arch={**policy.layers, "pi": sizes})
    weights = {name: value for name, value in policy.state_dict().items() if name.startswith(("value_net", _VALUES))}
    made.load_state_dict(weights, strict=False)
    before: Tensor | None = None
    for layer, new, own in zip(layers, _chain(made), [*rows, None], strict=True):
        weight, bias = (layer.weight, layer.bias) if own is None else (layer.weight[own], layer.bias[own])
        weight = weight if before is None else weight[:, before]
        new.weight.zero_()
        new.bias.zero_()
        new.weight[: len(weight), : weight.shape[1]] = weight
        new.bias[: len(bias)] = bias
        before = own
    return made


_VALUES = "mlp_extractor.value_net"


@torch.no_grad()
def muted(policy: GatedMixturePolicy, factors: NDArray[np.float64]) -> GatedMixturePolicy:
    """A policy of one network with the weights that lead out of each hidden unit multiplied by its factor.

    It does what scaling the unit's output would do, and further training can undo it.

    Args:
        policy: of one network.
        factors: shape (units,).
    """
    made = _built(policy)
    made.load_state_dict(policy.state_dict())
    first = 0
    for before, after in pairwise(_chain(made)):
        own = factors[first : first + before.out_features]
        after.weight.mul_(torch.from_numpy(own).to(after.weight))
        first += before.out_features
    return made


def distilled(
    teacher: Callable[[NDArray[Any]], NDArray[np.float32]],
    student: GatedMixturePolicy,
    config: EnvConfig,
    rng: np.random.Generator,
    steps: int = 1500,
) -> GatedMixturePolicy:
    """Train a policy of one network to take the actions of another (Hinton et al., arXiv 1503.02531); changes it.

    It learns from the teacher's action probabilities in situations in which an episode can start, at every oversight
    pattern, and from nothing else.

    Args:
        teacher: from observations to action probabilities (n, actions).
        student: whose experts and head are trained, in place.
        config: of the environment.
        rng: of the situations and their order.
        steps: of Adam.
    """
    observations, targets = [], []
    for block in sampled_blocks(config, rng, DISTILLED_PLACEMENTS):
        possible = np.repeat(block.starts.ravel(), block.cases.signals)
        observations.append(block.observations()[possible])
        targets.append(teacher(observations[-1]))
    obs, _ = student.obs_to_tensor(np.concatenate(observations))
    assert isinstance(obs, Tensor)
    wanted = torch.from_numpy(np.concatenate(targets))
    with torch.no_grad():
        features = dense(student.policy_features(obs))
    layers = _chain(student)
    (network,) = student.mixture.experts.values()
    optimizer = torch.optim.Adam([each for layer in layers for each in layer.parameters()], lr=RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        rows = torch.from_numpy(rng.integers(len(wanted), size=BATCH))
        loss = functional.cross_entropy(student.action_net(network(features[rows])), wanted[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return student

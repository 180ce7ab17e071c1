"""Action probabilities of any policy, at several gate settings at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import Gate, GatedMixturePolicy, SteeredPolicy
from oversight_gym.envs.errors import RequestError
from oversight_gym.evaluation.situations import PATTERNS, Block, PolicyTable, Table

Query = Callable[[NDArray[np.int8]], NDArray[np.float32]]
"""From observations (n, planes, rows, cols) to probabilities (variants, n, actions)."""


def greedy(probabilities: NDArray[Any]) -> NDArray[Any]:
    """All probability on the likeliest action of the last axis, the first of equals."""
    choices: NDArray[Any] = np.eye(probabilities.shape[-1], dtype=probabilities.dtype)
    chosen: NDArray[Any] = choices[probabilities.argmax(axis=-1)]
    return chosen


def sample_actions(probabilities: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """One action per row of probabilities (n, actions), shape (n,); one draw each."""
    cumulative = probabilities.cumsum(axis=1)
    draws = rng.random((len(probabilities), 1)) * cumulative[:, -1:]
    chosen: NDArray[np.intp] = (draws >= cumulative[:, :-1]).sum(axis=1)
    return chosen


@dataclass(frozen=True)
class Scaled:
    """The free gate with one expert's contribution scaled, the others left at their gate value."""

    expert: str
    scale: float


Setting = Gate | Scaled
"""One way to set the gate."""


def _weigh(policy: GatedMixturePolicy, setting: Setting) -> Callable[[Tensor], Tensor]:
    """From the free gate weights (n, experts) to the weights that a setting gives the experts."""
    if isinstance(setting, Scaled):
        chosen = policy.gate_vector(setting.expert)
        if chosen is None:
            raise RequestError(f"expert is {setting.expert!r}; choose one of {', '.join(policy.experts)}.")
        factor = 1 - (1 - setting.scale) * chosen
        return lambda free: free * factor
    forced = policy.mixture.forced_gate if setting is None else policy.gate_vector(setting)
    return lambda free: free if forced is None else forced.expand_as(free)


def _mixture_query(policy: GatedMixturePolicy, settings: Sequence[Setting]) -> Query:
    """Experts and gate are evaluated once for all gate settings; the head is linear, so logits mix like features."""
    weighings = [_weigh(policy, setting) for setting in settings]
    head = policy.action_net
    assert isinstance(head, nn.Linear)

    @torch.no_grad()
    def query(observations: NDArray[np.int8]) -> NDArray[np.float32]:
        obs = torch.as_tensor(observations, device=policy.device)
        features = policy.policy_features(obs)
        experts = policy.mixture.expert_features(features)
        logits = torch.stack([expert @ head.weight.T for expert in experts], dim=1)  # (n, experts, actions)
        free = policy.mixture.gate_weights(features)
        weights = torch.stack([weigh(free) for weigh in weighings])
        mixed = torch.einsum("gnk,nka->gna", weights, logits) + head.bias
        probabilities: NDArray[np.float32] = mixed.softmax(dim=-1).cpu().numpy()
        return probabilities

    return query


def _sb3_query(policy: Any) -> Query:
    @torch.no_grad()
    def query(observations: NDArray[np.int8]) -> NDArray[np.float32]:
        obs = torch.as_tensor(observations, device=policy.device)
        if hasattr(policy, "get_distribution"):
            probabilities = policy.get_distribution(obs).distribution.probs.cpu().numpy()
        else:  # a value-based policy acts greedily
            probabilities = greedy(policy.q_net(obs).cpu().numpy())
        return np.asarray(probabilities, dtype=np.float32)[None]

    return query


def policy_query(policy: Any, gates: Sequence[Setting] = (None,)) -> Query:
    """Action probabilities of a policy.

    Args:
        policy: a ``GatedMixturePolicy`` or a ``SteeredPolicy``; an SB3 algorithm or policy (PPO, A2C; DQN
            as its greedy policy); or a callable from observations (n, planes, rows, cols) to probabilities
            (n, 4).
        gates: gate settings, one variant each; only a mixture policy takes other than ``(None,)``. None is the
            policy as it stands: free, or as a surrounding ``policy.steer(...)`` has forced it.

    Raises:
        RequestError: for gates on a policy without a gate, or an object that is no policy.
    """
    policy = getattr(policy, "policy", policy) if not isinstance(policy, SteeredPolicy) else policy
    if isinstance(policy, SteeredPolicy) and list(gates) == [None]:
        return _mixture_query(policy.policy, [policy.gate])
    if isinstance(policy, GatedMixturePolicy):
        return _mixture_query(policy, gates)
    if list(gates) != [None]:
        raise RequestError(f"gates are {list(gates)}, but {type(policy).__name__} has no gate; leave them out.")
    if hasattr(policy, "get_distribution") or hasattr(policy, "q_net"):
        return _sb3_query(policy)
    if callable(policy):
        return lambda observations: np.asarray(policy(observations), dtype=np.float32)[None]
    raise RequestError(f"{policy!r} is no policy; give an SB3 model, a mixture policy or a function of observations.")


def table_of(query: Query, deterministic: bool = False) -> PolicyTable:
    """A queried policy as a table over blocks of situations."""

    def table(block: Block) -> Table:
        probabilities = query(block.observations()).astype(np.float64)
        if deterministic:
            probabilities = greedy(probabilities)
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        variants, _, actions = probabilities.shape
        shape = (variants, len(block.config.grid.free), len(block.terminals), len(PATTERNS), actions)
        return np.ascontiguousarray(probabilities.reshape(shape).transpose(4, 1, 0, 2, 3))

    return table

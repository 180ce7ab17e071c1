"""Action probabilities of any policy, at several gate settings at once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, SteeredPolicy
from oversight_gym.agents.routing.mixture import weigh
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


def _weigh(policy: GatedMixturePolicy, gate: Gate, free: Tensor) -> Tensor:
    """The weights of the experts at a gate, (n, experts), from the free ones; None is the policy as it stands."""
    forced = policy.mixture.forced_gate if gate is None else policy.forced(gate)
    return weigh(free, forced)


def _mixture_query(policy: GatedMixturePolicy, gates: Sequence[Gate]) -> Query:
    """Experts and gate are evaluated once for all gate settings; the head is linear, so logits mix like features."""
    for gate in gates:
        policy.forced(gate)  # refuse a wrong gate now
    head = policy.action_net
    assert isinstance(head, nn.Linear)

    @torch.no_grad()
    def query(observations: NDArray[np.int8]) -> NDArray[np.float32]:
        obs = torch.as_tensor(observations, device=policy.device)
        features = policy.policy_features(obs)
        experts = policy.mixture.expert_outputs(features)
        logits = torch.stack([expert @ head.weight.T for expert in experts], dim=1)  # (n, experts, actions)
        free = policy.mixture.gate_weights(features)
        weights = torch.stack([_weigh(policy, gate, free) for gate in gates])
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


def policy_query(policy: Any, gates: Sequence[Gate] = (None,)) -> Query:
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

"""Action probabilities of any policy, at several gates at once."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, SteeredPolicy
from oversight_gym.agents.routing.mixture import Forced, weigh
from oversight_gym.envs.errors import RequestError
from oversight_gym.evaluation.situations import Block, PolicyTable, Table

CHUNK = 2048
"""The number of observations at a time, such that activations stay in the cache."""

Query = Callable[[NDArray[Any]], NDArray[np.float32]]
"""A function from observations ``(n, *shape)`` to probabilities (variants, n, actions)."""


def greedy(probabilities: NDArray[Any]) -> NDArray[Any]:
    """The greedy policy: all probability is on the likeliest action of the last axis, the first of equal ones."""
    choices: NDArray[Any] = np.eye(probabilities.shape[-1], dtype=probabilities.dtype)
    chosen: NDArray[Any] = choices[probabilities.argmax(axis=-1)]
    return chosen


def choose_actions(probabilities: NDArray[Any], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """The actions, shape (n,), that numbers in [0, 1), shape (n,), select from rows of probabilities (n, actions)."""
    cumulative = probabilities.cumsum(axis=1)
    chosen: NDArray[np.intp] = (draws[:, None] * cumulative[:, -1:] >= cumulative[:, :-1]).sum(axis=1)
    return chosen


def sample_actions(probabilities: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """Sample one action per row of probabilities (n, actions), shape (n,), with one draw each."""
    return choose_actions(probabilities, rng.random(len(probabilities)))


def _weights(policy: GatedMixturePolicy, gate: Gate) -> Forced | None:
    """The experts' weights at a gate; None is the policy as it is."""
    return policy.mixture.forced_gate if gate is None else policy.forced(gate)


def _mixture_query(policy: GatedMixturePolicy, gates: Sequence[Gate]) -> Query:
    """Experts and gate are evaluated once for all gates; the head is linear, so logits mix like features."""
    weighings = [_weights(policy, gate) for gate in gates]
    fixed = [weighing for weighing in weighings if isinstance(weighing, Tensor)]
    all_fixed = len(fixed) == len(weighings)
    used = [index for index in range(len(policy.experts)) if not all_fixed or any(w[index] != 0 for w in fixed)]
    head, experts = policy.action_net, list(policy.mixture.experts.values())
    assert isinstance(head, nn.Linear)

    def probabilities(obs: Tensor) -> Tensor:
        """Shape (variants, n, actions)."""
        features = policy.policy_features(obs)
        logits = [experts[index](features) @ head.weight.T for index in used]
        free = weighings[0] if all_fixed else policy.mixture.gate_weights(features)
        assert isinstance(free, Tensor)
        mixed = []
        for weighing in weighings:
            weights = weighing if isinstance(weighing, Tensor) else weigh(free, weighing)
            own = [weights[..., index, None] * part for index, part in zip(used, logits, strict=True)]
            mixed.append(sum(own[1:], own[0]) + head.bias)
        return torch.stack(mixed).softmax(dim=-1)

    @torch.no_grad()
    def query(observations: NDArray[Any]) -> NDArray[np.float32]:
        parts = torch.split(_tensor(policy, observations), CHUNK)
        found: NDArray[np.float32] = torch.cat([probabilities(part) for part in parts], dim=1).cpu().numpy()
        return found

    return query


def _tensor(policy: Any, observations: NDArray[Any]) -> Tensor:
    """The observations as the policy's own ``predict`` would read them, images with the channels first."""
    obs, _ = policy.obs_to_tensor(observations)
    assert isinstance(obs, Tensor)
    return obs


def _sb3_query(policy: Any) -> Query:
    if hasattr(policy, "get_distribution"):
        asked_for = list(inspect.signature(policy.get_distribution).parameters.values())
        if any(parameter.default is inspect.Parameter.empty for parameter in asked_for[1:]):
            raise RequestError(
                f"{type(policy).__name__} needs more than the present observation; only a policy without a memory "
                "can be evaluated exactly."
            )

    @torch.no_grad()
    def query(observations: NDArray[Any]) -> NDArray[np.float32]:
        obs = _tensor(policy, observations)
        if hasattr(policy, "get_distribution"):
            chosen = policy.get_distribution(obs).distribution
            if not hasattr(chosen, "probs"):
                raise RequestError(f"{type(policy).__name__} does not choose among actions; give one for Discrete.")
            probabilities = chosen.probs.cpu().numpy()
        else:  # a value-based policy acts greedily
            probabilities = greedy(policy.q_net(obs).cpu().numpy())
        return np.asarray(probabilities, dtype=np.float32)[None]

    return query


def policy_query(policy: Any, gates: Sequence[Gate] = (None,)) -> Query:
    """Action probabilities of a policy.

    Args:
        policy: a ``GatedMixturePolicy`` or a ``SteeredPolicy``; an SB3 algorithm or policy (PPO, A2C; DQN
            as its greedy policy); or a callable from observations ``(n, *shape)`` to probabilities (n, actions).
        gates: one variant each; only a mixture policy takes other than ``(None,)``. None is the
            policy as it stands: free, or as a surrounding ``policy.steer(...)`` has forced it.

    Raises:
        RequestError: for gates on a policy without a gate, a policy with a memory, or an object that is no policy.
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
    """A queried policy as a table over blocks of situations.

    The table raises RequestError if the policy has another number of actions than the environment.
    """

    def table(block: Block) -> Table:
        probabilities = query(block.observations())
        actions = block.config.world.actions
        if probabilities.shape[-1] != len(actions):
            raise RequestError(
                f"the policy has {probabilities.shape[-1]} actions and the environment {len(actions)} "
                f"({', '.join(actions)}); evaluate it where it was trained."
            )
        if deterministic:
            probabilities = greedy(probabilities)
        shape = -1, len(block.chain), len(block.terminals), block.cases.signals, len(actions)
        chosen: Table = np.ascontiguousarray(probabilities.reshape(shape).transpose(4, 1, 0, 2, 3), dtype=np.float64)
        chosen /= chosen.sum(axis=0)
        return chosen if block.cases.plain else chosen[..., block.cases.signal]

    return table

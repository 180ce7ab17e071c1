"""The networks of a policy as bytes that a page can read."""

import copy
from base64 import b64encode
from typing import Any

import numpy as np
import torch
from torch import nn

from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.evaluation.probabilities import policy_query
from oversight_gym.evaluation.situations import sampled_blocks

PRECISIONS = ("float32", "float16")
"""The formats in which weights may be stored, the best first."""
_ACTIVATIONS = {nn.ReLU: "relu", nn.Tanh: "tanh"}


def _layers(network: nn.Module) -> list[tuple[nn.Linear | PointwiseLinear, str]]:
    """Each linear layer of a network and the name of the activation behind it, empty where there is none."""
    found: list[tuple[nn.Linear | PointwiseLinear, str]] = []
    for module in network.children() if isinstance(network, nn.Sequential) else [network]:
        if isinstance(module, nn.Linear | PointwiseLinear):
            found.append((module, ""))
        elif type(module) in _ACTIVATIONS:
            found[-1] = found[-1][0], _ACTIVATIONS[type(module)]
        else:
            raise RequestError(f"the policy has a layer {type(module).__name__}, which a page cannot compute.")
    return found


def networks(policy: GatedMixturePolicy, precision: str) -> dict[str, Any]:
    """The networks that a page needs to compute a policy's actions, without the value network.

    Args:
        policy: the policy.
        precision: one of ``PRECISIONS``.

    Returns:
        plain JSON. ``layers`` of the ``experts``, the ``gate`` (None without one) and the ``head`` give the sizes and
        the activation of each layer; ``values`` holds their weights (outputs x inputs) and biases in the same order,
        little-endian, in base 64.

    Raises:
        RequestError: if there is a layer that a page does not support.
    """
    parts: list[bytes] = []

    def described(network: nn.Module) -> list[dict[str, Any]]:
        rows = []
        for layer, activation in _layers(network):
            outputs, inputs = layer.weight.shape
            for tensor in (layer.weight, layer.bias):
                parts.append(tensor.detach().cpu().numpy().astype(np.dtype(precision).newbyteorder("<")).tobytes())
            rows.append({"inputs": inputs, "outputs": outputs, "activation": activation})
        return rows

    mixture = policy.mixture
    layers = {
        "experts": [described(expert) for expert in mixture.experts.values()],
        "gate": None if mixture.gate is None else described(mixture.gate),
        "head": described(policy.action_net),
    }
    return {"layers": layers, "precision": precision, "values": b64encode(b"".join(parts)).decode()}


def rounding(policy: GatedMixturePolicy, config: EnvConfig, precision: str, placements: int = 100) -> float:
    """The largest change of an action's probability if the weights are stored in this format, at any expert or none.

    It is found over every square and oversight pattern of ``placements`` placements of the terminals.
    """
    rounded = copy.deepcopy(policy)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.to(getattr(torch, precision)))
    gates = [None, *policy.experts] if len(policy.experts) > 1 else [None]
    exact, stored = policy_query(policy, gates), policy_query(rounded, gates)
    blocks = sampled_blocks(config, np.random.default_rng(0), placements)
    return max(float(np.abs(exact(seen) - stored(seen)).max()) for seen in (block.observations() for block in blocks))

"""Policies made from several trained ones, with which steering by contrast is compared where nothing was routed."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs.errors import RequestError
from oversight_gym.evaluation.probabilities import CHUNK

Actor = Callable[[NDArray[Any]], NDArray[np.float32]]
"""A function from observations ``(n, *shape)`` to action probabilities (n, actions), which ``policy_query`` accepts as
a policy."""


def contrast(wanted: GatedMixturePolicy, unwanted: GatedMixturePolicy, by: float) -> Actor:
    """The policy whose logits are ``(1 + by)`` times those of one policy minus ``by`` times those of another.

    The experts of one mixture, which share a linear head, give the same at the gate weights (1 + by, -by). Here the two
    may share nothing. After contrastive decoding (Li et al., arXiv 2210.15097).

    Args:
        wanted, unwanted: the two policies, with their gates free or as forced by a surrounding ``steer``.
        by: the strength; 0 gives the wanted policy alone.
    """

    @torch.no_grad()
    def probabilities(observations: NDArray[Any]) -> NDArray[np.float32]:
        obs, _ = wanted.obs_to_tensor(observations)
        assert isinstance(obs, torch.Tensor)
        logits = [(1 + by) * wanted.log_probs(part) - by * unwanted.log_probs(part) for part in torch.split(obs, CHUNK)]
        found: NDArray[np.float32] = torch.cat(logits).softmax(dim=1).cpu().numpy()
        return found

    return probabilities


def displaced(
    base: GatedMixturePolicy, plus: GatedMixturePolicy, minus: GatedMixturePolicy, by: float
) -> GatedMixturePolicy:
    """The policy with the weights ``base + by * (plus - minus)``.

    Steering by the difference of two fine-tuned policies, after task arithmetic (Ilharco et al., arXiv 2212.04089).

    Raises:
        RequestError: if the three do not have the same parameters.
    """
    weights = [policy.state_dict() for policy in (base, plus, minus)]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in weights]
    if shapes[0] != shapes[1] or shapes[0] != shapes[2]:
        raise RequestError("the three policies have not the same parameters; combine those of one shape.")
    here, there, back = weights
    made = deepcopy(base)
    made.load_state_dict({name: here[name] + by * (there[name] - back[name]) for name in here})
    return made

"""One update of the paper's released algorithm, written again in plain torch, against the library's."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.runs import build
from oversight_gym.runs.config import TrainConfig

# Shares no code with the library: all it takes are arrays, and weights by the names of a state dict.


def released_gradients(weights: dict[str, Tensor], rollout: dict[str, np.ndarray[Any, Any]]) -> dict[str, Tensor]:
    """Gradients of the released loss, by the weights' names; float64.

    Args:
        weights: of experts, gate, head and baseline.
        rollout: ``observations`` (steps, envs, 4, 5, 5) and, each (steps, envs): ``actions``, ``dones``, and at the end
            of an episode ``reached`` (any terminal), ``diamond`` and ``ghost`` (observed there).
    """
    w = {name: tensor.double().requires_grad_() for name, tensor in weights.items()}
    steps, envs = rollout["dones"].shape
    to_go, labels = np.zeros((steps, envs)), np.zeros((steps, envs), dtype=int)  # of unfinished episodes 0
    future, label = np.zeros(envs), np.zeros(envs, dtype=int)
    for step in reversed(range(steps)):
        done = rollout["dones"][step]
        future = rollout["reached"][step] + 0.97 * future * ~done
        label = np.where(done, rollout["diamond"][step] * 1 - rollout["ghost"][step] * 1, label)
        to_go[step], labels[step] = future, label
    returns, label, actions = (torch.as_tensor(x.reshape(-1)) for x in (to_go, labels, rollout["actions"]))
    x = torch.as_tensor(rollout["observations"]).flatten(0, 1).double()

    def layer(name: str, inputs: Tensor) -> Tensor:
        return inputs @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def convolved(name: str) -> Tensor:
        of_squares = functional.conv2d(x, w[f"{name}.convolution.weight"], w[f"{name}.convolution.bias"])
        return layer(f"{name}.linear", of_squares.flatten(1))

    def expert(name: str) -> Tensor:
        return layer(f"{name}.2", layer(f"{name}.0", x.flatten(1)).relu()).relu()

    def masked(tensor: Tensor, mask: Tensor) -> Tensor:
        return mask * tensor + (1 - mask) * tensor.detach()

    net = "mlp_extractor"
    gate_logit = layer(f"{net}.gate.4", layer(f"{net}.gate.2", convolved(f"{net}.gate.0").relu()).relu())
    a = masked(gate_logit.sigmoid(), (label == 0).double()[:, None])
    diamond = masked(expert(f"{net}.experts.diamond"), (label >= 0).double()[:, None])
    ghost = masked(expert(f"{net}.experts.ghost"), (label <= 0).double()[:, None])
    log_probs = layer("action_net", a * diamond + (1 - a) * ghost).log_softmax(dim=1)
    values = layer("value_net", layer(f"{net}.value_net.2", convolved(f"{net}.value_net.0"))).squeeze(1)
    taken = log_probs.gather(1, actions.long()[:, None]).squeeze(1)
    entropy = -(log_probs.exp() * log_probs).sum(dim=1)
    known = label != 0
    loss = (
        -(taken * (returns - values.detach())).mean()
        - 0.1 * entropy.mean()
        + 0.5 * (values - returns).square().mean()
        + 0.01 * functional.binary_cross_entropy_with_logits(gate_logit[known, 0], (label[known] > 0).double())
    )
    return dict(zip(w, torch.autograd.grad(loss, list(w.values())), strict=True))


def rollout_of(model: RoutedPPO) -> dict[str, np.ndarray[Any, Any]]:
    """The model's last rollout, which its update has flattened environment by environment."""
    buffer, names = model.rollout_buffer, model.routes.names
    shape = buffer.n_envs, buffer.buffer_size
    return {
        "observations": buffer.observations.reshape(*shape, 4, 5, 5).swapaxes(0, 1),
        "actions": buffer.actions.reshape(shape).T,
        "dones": buffer.ended,
        "reached": buffer.ended & (buffer.observed != names.index("none")),
        **{kind: buffer.ended & (buffer.observed == names.index(kind)) for kind in ("diamond", "ghost")},
    }


@pytest.mark.parametrize("compat", [("all",), ("cut",)])
def test_gradients_are_those_of_the_released_algorithm(compat: tuple[str, ...]) -> None:
    small = {"num_envs": 128, "batch_size": 128 * 32, "learning_rate": 1e-3}
    config = TrainConfig.of(preset="paper-reinforce", oversight=0.3, paper_compat=compat, **small)
    model = build.make_model(config)
    model.learn(3 * 128 * 32)  # away from where both experts are alike and biases 0
    before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    model.learn(128 * 32, reset_num_timesteps=False)
    mine = {name: parameter.grad for name, parameter in model.policy.named_parameters()}
    theirs = released_gradients(before, rollout_of(model))
    assert mine.keys() == theirs.keys()
    norm = torch.cat([gradient.flatten() for gradient in theirs.values()]).norm()
    for name, gradient in theirs.items():
        distance = (mine[name] - gradient).norm()
        assert distance < 1e-5 * norm, name
        assert distance < 0.01 * gradient.norm(), name  # a small one is not lost beside the baseline's

"""The paper's second set-up: its gate, its linear baseline, and the defects that can be reproduced."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_config
from torch import nn

from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.ppo.labels import UNFINISHED
from oversight_gym.envs import Outcome, RequestError
from oversight_gym.runs import build
from oversight_gym.runs.config import TrainConfig

PAPER = {"preset": "paper-reinforce", "layers": (16, 16), "gate_layers": (16, 16), "value_layers": (16, 8)}


def test_a_pointwise_layer_is_the_convolution_and_the_linear_layer() -> None:
    torch.manual_seed(0)
    layer = PointwiseLinear(4, 3, 25, 7)
    plain = nn.Sequential(layer.convolution, nn.Flatten(), layer.linear)
    images = torch.randn(10, 4, 5, 5)
    assert torch.allclose(layer(images.flatten(1)), plain(images), atol=1e-6)
    gradients = [
        torch.autograd.grad(output.square().sum(), list(layer.parameters()))
        for output in (layer(images.flatten(1)), plain(images))
    ]
    assert all(torch.allclose(*pair, rtol=1e-4, atol=1e-4) for pair in zip(*gradients, strict=True))


def test_the_fast_path_of_binary_observations_reads_it_too(tmp_path: Path) -> None:
    config = small_config(tmp_path, **PAPER)
    torch.manual_seed(0)
    fast = build.make_model(config).policy
    dense = build.make_model(config, multi_hot=False).policy
    dense.load_state_dict(fast.state_dict())
    assert fast.multi_hot
    obs = torch.as_tensor(build.make_env(config).reset())
    for ask in ("log_probs", "predict_values"):
        assert torch.allclose(getattr(fast, ask)(obs), getattr(dense, ask)(obs), atol=1e-5)


def test_the_baseline_is_linear_and_the_gate_is_not(tmp_path: Path) -> None:
    policy = build.make_model(small_config(tmp_path, **PAPER)).policy
    one, other = torch.randn(2, 6, 100)
    mixture = policy.mixture

    def value(features: torch.Tensor) -> torch.Tensor:
        return policy.value_net(mixture.forward_critic(features))

    assert torch.allclose(value((one + other) / 2), (value(one) + value(other)) / 2, atol=1e-5)
    logits = [mixture.gate_logits(features)[:, 0] for features in ((one + other) / 2, one, other)]
    assert not torch.allclose(logits[0], (logits[1] + logits[2]) / 2, atol=1e-5)


def test_the_preset_has_the_papers_networks() -> None:
    mixture = build.make_policy(TrainConfig.of(preset="paper-reinforce")).mixture
    shapes = [tuple(parameter.shape) for parameter in (*mixture.gate.parameters(), *mixture.value_net.parameters())]
    gate = [(4, 4, 1, 1), (4,), (256, 100), (256,), (256, 256), (256,), (1, 256), (1,)]
    assert shapes == [*gate, (16, 4, 1, 1), (16,), (256, 400), (256,), (32, 256), (32,)]


def test_a_policy_blind_to_oversight_is_so_behind_a_convolution(tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, method="masked_oversight", **PAPER)).learn(4096)
    obs = torch.as_tensor(model.env.reset())
    flipped = obs.clone()
    flipped[:, 3] = 1 - flipped[:, 3]
    assert torch.equal(model.policy.predict_values(obs), model.policy.predict_values(flipped))
    assert torch.equal(model.policy.log_probs(obs), model.policy.log_probs(flipped))


@pytest.mark.parametrize("network", ["gate", "value"])
def test_a_convolution_without_a_hidden_layer_is_refused(network: str) -> None:
    with pytest.raises(RequestError, match=f"{network}_layers is empty"):
        TrainConfig.of(**{f"{network}_channels": 4, f"{network}_layers": ()})


@pytest.mark.parametrize(("compat", "dropped"), [(False, False), (False, True), (True, False)])
def test_unfinished_episodes_count_as_nothing_only_where_the_paper_is_reproduced(
    compat: bool, dropped: bool, tmp_path: Path
) -> None:
    config = small_config(
        tmp_path, paper_compat=compat, drop_unfinished=dropped, gae_lambda=1.0, max_episode_steps=9, gamma=0.9
    )
    model = build.make_model(config).learn(32 * 32)
    buffer = model.rollout_buffer
    unfinished = ~np.flip(np.logical_or.accumulate(np.flip(buffer.ended, 0), 0), 0)
    assert unfinished.any()
    assert (buffer.outcomes[unfinished] == (Outcome.NONE if compat else UNFINISHED)).all()
    assert (buffer.kept() == (~unfinished | (not dropped))).all()
    timeouts = buffer.ended & (buffer.observed == Outcome.NONE)
    assert timeouts.any()
    assert (buffer.rewards[timeouts] == 0).all() == compat
    to_go = buffer.returns.reshape(32, 32).T
    if compat:
        assert to_go[unfinished] == pytest.approx(0, abs=1e-5)

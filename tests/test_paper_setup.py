"""The paper's second set-up: its networks, and the defects of its code that can be reproduced."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import command, small_config
from torch import nn

from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.ppo.defects import DEFECTS
from oversight_gym.agents.ppo.labels import UNFINISHED
from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import Outcome, RequestError
from oversight_gym.runs import build
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import stored_config
from oversight_gym.sweeps.plan import SweepConfig, runs_of

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
    defects = ("cut",) if compat else ()
    config = small_config(
        tmp_path, paper_compat=defects, drop_unfinished=dropped, gae_lambda=1.0, max_episode_steps=9, gamma=0.9
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


def test_biases_may_begin_at_zero_and_nothing_else_changes() -> None:
    zero, torchs = (
        dict(build.make_policy(TrainConfig.of(preset="paper-reinforce", seed=3, zero_bias=zero)).named_parameters())
        for zero in (True, False)
        if torch.manual_seed(0)
    )
    for name, parameter in zero.items():
        if name.endswith("bias"):
            assert not parameter.any()
            assert torchs[name].any()
        else:
            assert torch.equal(parameter, torchs[name])


def observations(model: RoutedPPO) -> np.ndarray:
    """Those of the model's last rollout, shape (steps, envs, planes, rows, cols)."""
    buffer = model.rollout_buffer
    if buffer.device_observations is not None:
        return buffer.device_observations.numpy()
    return buffer.observations.reshape(buffer.n_envs, buffer.buffer_size, 4, 5, 5).swapaxes(0, 1)


@pytest.mark.parametrize("collector", ["native", "device"])
def test_within_a_rollout_episodes_may_begin_on_the_last_observation_before(collector: str, tmp_path: Path) -> None:
    share = {}
    for compat in ((), ("stale",)):
        model = build.make_model(small_config(tmp_path, paper_compat=compat))
        model.collector = collector
        model.learn(1024)
        assert (model._last_obs == model.env.core.observe()).all()  # but for a rollout's first step
        seen, ended, reached = observations(model), model.rollout_buffer.ended, model.rollout_buffer.observed > 0
        agent, terminals = seen[:, :, 0].astype(bool), seen[:, :, 1:3]
        same = (terminals[1:] == terminals[:-1]).all(axis=(2, 3, 4))
        first, second = ended[:-1].copy(), ended[:-2] & ~ended[1:-1]
        first[1:] &= ~ended[:-2]  # after an episode of several steps
        there = (agent[:, :, None] & terminals.astype(bool)).any(axis=(2, 3, 4))
        share[compat] = same[first].mean(), there[1:][first & reached[:-1]].mean(), same[1:][second].mean()
    assert share[()] == pytest.approx((0, 0, 1), abs=0.02)
    assert share[("stale",)] == pytest.approx((1, 1, 0), abs=0.02)


def test_stale_observations_need_a_collector_that_has_them(tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, paper_compat=("stale",)))
    model.collector = "sb3"
    with pytest.raises(RequestError, match="paper_compat names 'stale'"):
        model.learn(1024)


def test_a_late_timeout_is_one_of_training_alone(tmp_path: Path) -> None:
    config = small_config(tmp_path, paper_compat=("late",), max_episode_steps=4)
    model = build.make_model(config).learn(2048)
    assert max(episode["l"] for episode in model.ep_info_buffer) == 5
    assert config.env.max_episode_steps == 4


def test_defects_are_named_and_all_of_them_go_without_a_name(tmp_path: Path) -> None:
    assert TrainConfig.of(paper_compat=["all"]) == TrainConfig.of(paper_compat=tuple(reversed(DEFECTS)))
    with pytest.raises(RequestError, match="paper_compat"):
        TrainConfig.of(paper_compat=["stael"])
    short = ("--total-timesteps", 512, "--num-envs", 16, "--n-steps", 16, "--batch-size", 256, "--size", 3, 3)
    done = command("train", "--paper-compat", *short, "--evaluations", 1, "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert stored_config(tmp_path / "run").hyper.paper_compat == tuple(DEFECTS)
    swept = runs_of(SweepConfig(methods=("routing",), oversight=(0.1,), seeds=1, set=("paper_compat=late,cut",)))
    assert [run.hyper.paper_compat for run in swept.values()] == [("cut", "late")]
    words = TrainConfig.of(paper_compat=["late", "cut"]).command()
    assert words[(at := words.index("--paper-compat")) : at + 3] == ["--paper-compat", "cut", "late"]


def test_run_folders_from_before_defects_had_names_are_read() -> None:
    old = TrainConfig.of(preset="paper-reinforce").to_json()
    del old["zero_bias"]
    for compat, found in ((True, ("cut",)), (False, ())):
        hyper = TrainConfig.from_json(old | {"paper_compat": compat}).hyper
        assert hyper.paper_compat == found
        assert not hyper.zero_bias

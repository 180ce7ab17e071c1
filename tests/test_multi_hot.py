"""The fast path gives the numbers of the plain one: layers that read ones, repeats evaluated once, native rollouts."""

import platform
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import ConstantSchedule

from oversight_gym.agents import METHODS, RoutedPPO
from oversight_gym.agents.policies.memory import keep_freed_memory
from oversight_gym.agents.policies.multi_hot import Distinct, MultiHot, Repeated
from oversight_gym.agents.policies.networks import MixtureExtractor, Network, mlp
from oversight_gym.agents.policies.perceptron import ACTIVATIONS, CHUNK
from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.products import product
from oversight_gym.envs import OversightVecEnv, RequestError

BINARY = arrays(np.int8, st.tuples(st.integers(1, 30), st.integers(1, 12)), elements=st.integers(0, 1))


@given(BINARY, st.integers(1, 5), st.sampled_from(list(ACTIVATIONS)), st.booleans())
@settings(max_examples=100)
def test_reading_ones_is_the_matrix_product(
    matrix: np.ndarray, width: int, activation: type[torch.nn.Module], linear_end: bool
) -> None:
    """Rows and columns without a one included; gradients too."""
    torch.manual_seed(0)
    binary = torch.from_numpy(matrix)
    network = mlp([matrix.shape[1], width, 3], activation)
    if linear_end:
        network.append(torch.nn.Linear(3, 2))
    found = []
    for features in (binary.float(), MultiHot.of(binary)):
        outputs = network(features)
        found.append((outputs, *torch.autograd.grad(outputs.square().sum(), network.parameters())))
    for plain, fast in zip(*found, strict=True):
        assert torch.allclose(plain, fast, atol=1e-5)


@pytest.mark.parametrize("grad", [True, False])
def test_chunks_are_put_together_in_order(grad: bool) -> None:
    width = 512
    binary = torch.from_numpy(np.random.default_rng(0).integers(2, size=(2 * CHUNK // width + 5, 9)).astype(np.int8))
    network = mlp([9, width, 2], torch.nn.ReLU)
    with torch.set_grad_enabled(grad):
        assert torch.allclose(network(MultiHot.of(binary)), network(binary.float()), atol=1e-5)
    if grad:
        plain, fast = (
            torch.autograd.grad(network(features).square().mean(), network.parameters())
            for features in (binary.float(), MultiHot.of(binary))
        )
        for expected, found in zip(plain, fast, strict=True):
            assert torch.allclose(expected, found, atol=1e-5)


@pytest.mark.parametrize("by_onednn", [True, False])
def test_a_product_takes_transposed_views_and_a_bias(by_onednn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not by_onednn:
        monkeypatch.setattr("oversight_gym.agents.policies.products._ONEDNN", None)
    a, b, bias = torch.randn(70, 33), torch.randn(5, 33), torch.randn(5)
    assert torch.allclose(product(a, b, bias), a @ b.T + bias, atol=1e-5)
    assert torch.allclose(product(a, b.T.contiguous().T), a @ b.T, atol=1e-5)
    assert torch.allclose(product(a.T, torch.ones(2, 70)), a.T @ torch.ones(70, 2), atol=1e-5)


def test_a_first_layer_behind_a_convolution_is_read_by_its_table() -> None:
    layer = PointwiseLinear(planes=3, channels=2, squares=4, outputs=5)
    assert torch.allclose(layer.table, layer.weight.T, atol=1e-6)
    assert layer.table.is_contiguous()


def test_what_follows_from_unchanged_parameters_is_forgotten_afterwards() -> None:
    network, features = mlp([4, 3], torch.nn.ReLU), MultiHot.of(torch.eye(4, dtype=torch.int8))
    before = network(features).detach()
    with network.unchanged():
        assert torch.equal(network(features), before)
    with torch.no_grad():
        network[0].weight += 1.0
    assert torch.allclose(network(features), network(torch.eye(4)), atol=1e-6)


def test_freed_memory_is_kept_where_the_c_library_is_glibc() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_more_inputs_than_a_small_integer_counts() -> None:
    """As a grid of 100 x 100 has."""
    binary = torch.zeros(4, 40_000, dtype=torch.int8)
    binary[torch.arange(4), torch.tensor([1, 5_000, 39_000, 34_000])] = 1
    network = Network(torch.nn.Linear(40_000, 2))
    expected, found = (
        torch.autograd.grad(network(features).square().sum(), network[0].weight)[0]
        for features in (binary.float(), MultiHot.of(binary))
    )
    assert torch.allclose(expected, found, atol=1e-6)


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("experts", [("one", "other"), ("a", "b", "c"), ("alone",)])
def test_a_head_taken_before_experts_are_mixed_gives_the_same_logits_and_gradients(
    experts: tuple[str, ...], hard: bool
) -> None:
    torch.manual_seed(0)
    mixture = MixtureExtractor(9, experts, {"pi": [8, 6], "vf": [4], "gate": [5]}, torch.nn.ReLU)
    head, parts = torch.nn.Linear(6, 4), [*mixture.experts.parameters()]
    parts += [*head.parameters(), *(mixture.gate.parameters() if mixture.gate is not None else ())]
    binary = torch.randint(2, (40, 9)).to(torch.int8)
    labels = torch.arange(40) % (len(experts) + 1) - 1 if len(experts) > 1 else None
    plain = head(mixture.mix(binary.float(), labels, hard=hard).output)
    fast = mixture.logits(MultiHot.of(binary), head, labels, detach=True, hard=hard).output
    assert torch.allclose(plain, fast, atol=1e-5)
    gradients = (torch.autograd.grad((out * torch.arange(4)).square().sum(), parts) for out in (plain, fast))
    for expected, found in zip(*gradients, strict=True):
        assert torch.allclose(expected, found, atol=1e-4)


def dense(hot: MultiHot) -> np.ndarray:
    matrix = np.zeros((len(hot), hot.width), dtype=np.int8)
    matrix[np.repeat(np.arange(len(hot)), np.diff(hot.bounds)), hot.inputs] = 1
    return matrix


@given(BINARY, st.data())
@settings(max_examples=100)
def test_rows_can_be_chosen_and_joined(matrix: np.ndarray, data: st.DataObject) -> None:
    hot = MultiHot.of(torch.from_numpy(matrix))
    rows = data.draw(arrays(np.int64, st.integers(1, 9), elements=st.integers(0, len(matrix) - 1)))
    assert np.array_equal(dense(hot), matrix)
    assert np.array_equal(dense(hot[rows]), matrix[rows])
    assert np.array_equal(dense(MultiHot.join([hot[rows], hot])), np.concatenate([matrix[rows], matrix]))


@given(BINARY, st.data())
@settings(max_examples=100)
def test_equal_rows_are_found_and_told_apart_by_label(matrix: np.ndarray, data: st.DataObject) -> None:
    labels = data.draw(arrays(np.int64, len(matrix), elements=st.integers(-1, 2)))
    repeated = Repeated.of(torch.from_numpy(matrix))
    assert np.array_equal(dense(repeated.table)[repeated.row], matrix)
    assert len(repeated.table) == len(set(map(tuple, matrix)))
    distinct = Distinct.of(repeated.row, torch.from_numpy(labels))
    rows = np.column_stack([matrix, labels])
    assert np.array_equal(rows[distinct.first.numpy()][distinct.row.numpy()], rows)
    assert len(distinct.first) == len(set(map(tuple, rows)))
    assert np.array_equal(np.bincount(distinct.row.numpy()), distinct.repeats.numpy())


def trained(collector: str, experts: tuple[str, ...], updates: int = 6, **kwargs: Any) -> RoutedPPO:
    env = OversightVecEnv(32, seed=0, oversight_probability=0.5, max_episode_steps=12, **kwargs)
    arch = {"pi": [32, 32], "vf": [24, 24], "gate": [16]}
    several = len(experts) > 1
    model = RoutedPPO(
        GatedMixturePolicy,
        env,
        method="routing" if several else replace(METHODS["naive"], reward="terminal", unfinished=False),
        gate_coef=0.1,
        collector=collector,
        n_steps=32,
        batch_size=256,
        n_epochs=2,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": arch, "experts": experts, "multi_hot": collector == "native"},
    )
    return model.learn(32 * 32 * updates)


WALLED = {"size": 6, "walls": "border", "spurious_oversight_probability": 0.3}


@pytest.mark.parametrize("kwargs", [{}, WALLED, {"size": 3}], ids=["5 x 5", "walls and marks", "3 x 3"])
@pytest.mark.parametrize("experts", [("diamond", "ghost"), ("agent",)])
@pytest.mark.parametrize("collector", ["native", "device"])
def test_training_by_the_fast_paths_gives_the_numbers_of_the_plain_one(
    collector: str, experts: tuple[str, ...], kwargs: dict[str, Any]
) -> None:
    """To 1e-4 of a parameter after six updates: the same draws, sums in another order."""
    plain, fast = (trained(path, experts, **kwargs) for path in ("sb3", collector))
    assert np.array_equal(plain.rollout_buffer.actions, fast.rollout_buffer.actions)
    assert np.array_equal(plain.rollout_buffer.outcomes, fast.rollout_buffer.outcomes)
    assert np.array_equal(plain.episodes_observed, fast.episodes_observed)
    for name in ("values", "log_probs", "advantages", "returns", "rewards"):
        ours, theirs = getattr(fast.rollout_buffer, name), getattr(plain.rollout_buffer, name)
        assert np.allclose(ours, theirs, atol=1e-4), name
    for (name, ours), theirs in zip(fast.policy.named_parameters(), plain.policy.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4), name
    assert list(fast.ep_info_buffer) == list(plain.ep_info_buffer)


def test_policies_that_read_ones_answer_like_others_whatever_the_type_of_observation() -> None:
    model = trained("native", ("diamond", "ghost"), updates=1)
    observations = OversightVecEnv(50, seed=1).reset()
    fast = model.policy
    plain = GatedMixturePolicy(
        fast.observation_space,
        fast.action_space,
        ConstantSchedule(0.0),
        net_arch=fast.layers,
        experts=fast.experts,
        multi_hot=False,
    )
    plain.load_state_dict(fast.state_dict())
    for kind in (np.int8, np.float32, bool):
        with fast.steer("diamond"), plain.steer("diamond"):
            obs = torch.from_numpy(observations.astype(kind))
            expected = plain.get_distribution(obs).distribution.probs
            assert torch.allclose(fast.get_distribution(obs).distribution.probs, expected, atol=1e-6)
            assert torch.allclose(fast.predict_values(obs), plain.predict_values(obs), atol=1e-5)
            greedy = [policy.predict(observations.astype(kind), deterministic=True)[0] for policy in (fast, plain)]
            assert np.array_equal(*greedy)


def test_ones_can_only_be_read_from_binary_observations() -> None:
    with pytest.raises(RequestError, match="multi_hot is True"):
        GatedMixturePolicy(spaces.Box(0, 1, (4,)), spaces.Discrete(2), ConstantSchedule(0.0), multi_hot=True)


def test_an_unknown_activation_is_read_plainly() -> None:
    spaces_ = spaces.MultiBinary((2, 3, 3)), spaces.Discrete(2)
    policy = GatedMixturePolicy(*spaces_, ConstantSchedule(0.0), activation_fn=torch.nn.GELU)
    assert not policy.multi_hot
    with pytest.raises(RequestError, match="GELU"):
        GatedMixturePolicy(*spaces_, ConstantSchedule(0.0), activation_fn=torch.nn.GELU, multi_hot=True)


class StopAt(BaseCallback):
    """Stops at a step in the middle of a rollout."""

    def _on_step(self) -> bool:
        return self.n_calls < 7


@pytest.mark.parametrize("collector", ["native", "device"])
def test_a_callback_that_stops_a_rollout_leaves_the_environment_whole(collector: str) -> None:
    model = trained(collector, ("diamond", "ghost"), updates=1)
    env = model.env
    assert isinstance(env, OversightVecEnv)
    model.learn(32 * 32, StopAt())
    expected = env.config.view_part.observe(env.config.world, env.core.state)
    assert np.array_equal(env.core.observe(), expected)
    env.step(np.zeros(32, dtype=int))

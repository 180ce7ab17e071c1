from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.evaluation import evaluate_policy

from oversight_gym.agents import Contrast, RoutedPPO, Scaled, parse_gate
from oversight_gym.agents.policies.steering import gate_text, gate_vector
from oversight_gym.envs import OversightVecEnv, RequestError

EXPERTS = ("diamond", "ghost", "third")


def make_model(experts: tuple[str, ...] = EXPERTS[:2], **kwargs: object) -> RoutedPPO:
    env = OversightVecEnv(8, seed=0, oversight_probability=0.5)
    arch = {"pi": [16, 16], "vf": [16], "gate": [8]}
    settings = {"n_steps": 16, "batch_size": 64, "n_epochs": 2, "seed": 0, "device": "cpu", **kwargs}
    return RoutedPPO(env=env, policy_kwargs={"experts": experts, "net_arch": arch}, **settings)


def probabilities(model: RoutedPPO, gate: object = None) -> torch.Tensor:
    obs = torch.as_tensor(np.random.default_rng(0).integers(2, size=(32, 4, 5, 5)).astype(np.int8))
    with torch.no_grad(), model.policy.steer(gate):
        return model.policy.get_distribution(obs).distribution.probs


@pytest.mark.parametrize("experts", [EXPERTS[:2], EXPERTS])
def test_a_forced_gate_uses_that_expert_alone(experts: tuple[str, ...]) -> None:
    model = make_model(experts)
    before = {name: probabilities(model, name) for name in experts}
    with torch.no_grad():
        for parameter in model.policy.mixture.experts[experts[0]].parameters():
            parameter.add_(1.0)
    for name in experts:
        assert torch.equal(before[name], probabilities(model, name)) == (name != experts[0])


def test_gates_by_name_number_and_vector_agree() -> None:
    model = make_model()
    with torch.no_grad():
        for parameter in model.policy.mixture.parameters():
            parameter.mul_(3.0)
        model.policy.action_net.weight.mul_(100.0)
    assert torch.equal(probabilities(model, "diamond"), probabilities(model, 1.0))
    assert torch.equal(probabilities(model, "ghost"), probabilities(model, [0.0, 1.0]))
    assert torch.equal(probabilities(model, "free"), probabilities(model))
    assert not torch.allclose(probabilities(model, "ghost"), probabilities(model, "diamond"))


@pytest.mark.parametrize(
    "gate",
    [
        "dragon",
        "dragon+0.5",
        "diamond+nan",
        "diamond*inf",
        "1e30",
        [0.5],
        [0.2, 0.2, 0.6],
        [float("nan"), 0.5],
        float("inf"),
        Contrast("ghost", -1e9),
    ],
)
def test_impossible_gates(gate: Any) -> None:
    model = make_model()
    with pytest.raises(RequestError, match=r"gate is|no expert"), model.policy.steer(gate):
        pass
    with pytest.raises(RequestError):
        model.policy.expert(gate)


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("free", "free"),
        ("diamond", "diamond"),
        ("0.3", 0.3),
        ("-1.5", -1.5),
        ("1e-05", 1e-5),
        ("0.2/1.3/-0.5", (0.2, 1.3, -0.5)),
        ("diamond+0.5", Contrast("diamond", 0.5)),
        ("diamond+-0.25", Contrast("diamond", -0.25)),
        ("ghost*0.2", Scaled("ghost", 0.2)),
    ],
)
def test_gates_as_text(text: str, gate: Any) -> None:
    assert parse_gate(text) == gate
    assert gate_text(gate) == text


def test_a_contrast_goes_beyond_an_expert_and_away_from_the_others() -> None:
    experts = ("diamond", "ghost", "coin")
    for by in (-1.0, 0.0, 0.5, 3.0):
        weights = gate_vector(Contrast("ghost", by), experts)
        assert weights is not None
        assert weights.tolist() == pytest.approx([-by / 2, 1 + by, -by / 2])
        assert weights.sum() == 1
    model = make_model()
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.mul_(3.0)
    alone, other, beyond = (probabilities(model, gate) for gate in ("diamond", "ghost", "diamond+0.5"))
    expected = (1.5 * alone.log() - 0.5 * other.log()).softmax(dim=1)
    assert torch.allclose(beyond, expected, atol=1e-5)
    assert torch.equal(beyond, probabilities(model, (1.5, -0.5)))
    assert torch.equal(beyond, probabilities(model, 1.5))


def test_steering_holds_for_predict_rollouts_and_ends_with_its_block() -> None:
    model = make_model()
    with torch.no_grad():
        model.policy.action_net.weight.zero_()
        first = model.policy.mixture.experts["diamond"][2]
        first.weight.zero_()
        first.bias.fill_(1.0)
        model.policy.action_net.weight[2] = 100.0  # the diamond expert always moves down
        for parameter in model.policy.mixture.experts["ghost"].parameters():
            parameter.zero_()
    obs = model.get_env().reset()
    with model.policy.steer("diamond"):
        assert (model.predict(obs)[0] == 2).all()
        model.learn(8 * 16)
        assert (model.rollout_buffer.actions == 2).all()
    assert model.policy.mixture.forced_gate is None
    expert = model.policy.expert("diamond")
    assert (expert.predict(obs)[0] == 2).all()
    assert len(set(model.policy.expert("ghost").predict(obs.repeat(20, axis=0))[0].tolist())) > 1
    mean, _ = evaluate_policy(expert, OversightVecEnv(4, seed=1), n_eval_episodes=20, warn=False)
    assert 0 <= mean <= 1


def test_a_single_expert_cannot_be_steered() -> None:
    model = make_model(("agent",), method="naive")
    with pytest.raises(RequestError, match="single expert"), model.policy.steer("diamond"):
        pass


@pytest.mark.parametrize("experts", [EXPERTS[:2], EXPERTS])
def test_save_and_load_are_sb3s_own(experts: tuple[str, ...], tmp_path: Path) -> None:
    model = make_model(experts).learn(256)
    model.save(tmp_path / "model")
    loaded = RoutedPPO.load(tmp_path / "model", env=OversightVecEnv(8, seed=0, oversight_probability=0.5))
    assert loaded.policy.experts == experts
    for gate in (None, *experts):
        assert torch.equal(probabilities(model, gate), probabilities(loaded, gate))
    loaded.learn(256)
    model.policy.save(tmp_path / "policy")
    policy = type(model.policy).load(tmp_path / "policy")
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), model.policy.parameters(), strict=True))

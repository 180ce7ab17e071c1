"""Contrasts without routing: two agents' logits, and the difference of two fine-tuned agents' weights."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from conftest import small_config

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import Outcome, OversightVecEnv, RequestError
from oversight_gym.envs.core import Core
from oversight_gym.envs.oversight.rewards import REWARDS
from oversight_gym.envs.registry import load_plugin
from oversight_gym.evaluation.combined import contrast, displaced
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.runs import build
from oversight_gym.runs.train import train

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module", autouse=True)
def plugin() -> Iterator[None]:
    """The agents' methods, for the tests of this file alone."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in (METHODS, REWARDS):
            patch.setattr(registry, "_entries", dict(registry._entries))
        load_plugin(str(SCRIPTS / "contrast_methods.py"))
        yield


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/contrasts.py."""
    spec = importlib.util.spec_from_file_location("contrasts", SCRIPTS / "contrasts.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["contrasts"] = module
    spec.loader.exec_module(module)
    return module


def policy(seed: int, experts: tuple[str, ...] = ("agent",), width: int = 32) -> GatedMixturePolicy:
    env = OversightVecEnv(1)
    torch.manual_seed(seed)
    arch = {"pi": [width, width], "vf": [16], "gate": [8]}
    return GatedMixturePolicy(env.observation_space, env.action_space, lambda _: 0.0, experts=experts, net_arch=arch)


def observations() -> np.ndarray:
    return OversightVecEnv(64, seed=0).reset()


def logits(chosen: GatedMixturePolicy) -> np.ndarray:
    with torch.no_grad():
        obs, _ = chosen.obs_to_tensor(observations())
        return chosen.get_distribution(obs).distribution.logits.double().numpy()


def softmax(values: np.ndarray) -> np.ndarray:
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("by", [0.0, 0.5, 2.0])
def test_a_contrast_is_of_logits(by: float) -> None:
    wanted, unwanted = policy(0), policy(1, width=16)
    found = contrast(wanted, unwanted, by)(observations())
    assert found == pytest.approx(softmax((1 + by) * logits(wanted) - by * logits(unwanted)), abs=1e-5)


def test_two_agents_that_share_a_head_contrast_as_two_experts_do() -> None:
    mixture = policy(0, ("diamond", "ghost"))
    agents = [policy(1), policy(2)]
    for name, agent in zip(mixture.experts, agents, strict=True):
        agent.mixture.experts["agent"].load_state_dict(mixture.mixture.experts[name].state_dict())
        agent.action_net.load_state_dict(mixture.action_net.state_dict())
    mixture.mixture.forced_gate = torch.tensor([2.5, -1.5])
    assert contrast(*agents, 1.5)(observations()) == pytest.approx(softmax(logits(mixture)), abs=1e-5)


def test_weights_are_displaced_by_the_difference() -> None:
    base, plus, minus = policy(0), policy(1), policy(2)
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    made = displaced(base, plus, minus, 0.75)
    for name, tensor in made.state_dict().items():
        expected = before[name] + 0.75 * (plus.state_dict()[name] - minus.state_dict()[name])
        assert torch.allclose(tensor, expected, atol=1e-6)
        assert torch.equal(base.state_dict()[name], before[name])
    assert logits(displaced(base, plus, minus, 0.0)) == pytest.approx(logits(base))
    assert logits(displaced(minus, plus, minus, 1.0)) == pytest.approx(logits(plus), abs=1e-4)
    with pytest.raises(RequestError, match="not the same parameters"):
        displaced(base, plus, policy(2, width=16), 1.0)


def test_the_agent_that_wants_ghosts_is_filtering_paid_the_opposite(tmp_path: Path) -> None:
    ghosts, diamonds = (
        build.make_model(small_config(tmp_path, method=name, oversight=0.3)).learn(1024)
        for name in ("filtering_ghosts", "filtering")
    )
    mine, theirs = ghosts.rollout_buffer, diamonds.rollout_buffer  # the first rollout is the same
    assert (mine.actions == theirs.actions).all()
    terminated = mine.ended & (mine.observed != Outcome.NONE)  # timeouts keep the value's bootstrap
    known = mine.observed >= Outcome.GHOST
    assert (mine.rewards[terminated] == -theirs.rewards[terminated]).all()
    assert (mine.rewards[known] == np.where(mine.observed[known] == Outcome.GHOST, 1, -1)).all()
    assert (mine.kept() == theirs.kept()).all()


@pytest.mark.parametrize("method", ["filtering_ghosts", "tuned_to_diamonds", "tuned_to_ghosts"])
def test_what_nobody_observed_reaches_none_of_the_agents(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Core.step

    def lying_step(self: Core, actions: np.ndarray) -> tuple[object, np.ndarray]:
        seen, outcome = step(self, actions)
        unseen = seen.observed == Outcome.UNKNOWN
        outcome = np.where(unseen, Outcome.DIAMOND + Outcome.GHOST - outcome, outcome).astype(np.int8)
        by = outcome if self.config.reward_rule.uses_hidden else seen.observed
        return seen._replace(reward=self.config.reward_table[by]), outcome

    def weights() -> list[bytes]:
        config = small_config(tmp_path, method=method, oversight=0.3, finetune_share=0.5)
        model = build.make_model(config).learn(4096)
        assert model.episodes_observed[Outcome.UNKNOWN] > 30
        return [tensor.numpy().tobytes() for tensor in model.policy.state_dict().values()]

    honest = weights()
    monkeypatch.setattr(Core, "step", lying_step)
    assert weights() == honest


SMALL_GRID = {"size": (3, 3), "oversight": 0.3, "total_timesteps": 8192}
TUNED = {**SMALL_GRID, "evaluations": 4, "finetune_share": 0.5, "keep_weights": True}


def test_weight_steering_is_from_a_common_base_whose_training_costs_no_label(
    tmp_path: Path, script: ModuleType
) -> None:
    runs = [
        train(small_config(tmp_path / name, method=name, **TUNED)) for name in ("tuned_to_diamonds", "tuned_to_ghosts")
    ]
    curves = [np.genfromtxt(run.folder / "evaluations.csv", delimiter=",", names=True) for run in runs]
    names = curves[0].dtype.names
    labels = next(name for name in names if name.endswith("training"))
    for curve, other in zip(curves, reversed(curves), strict=True):
        assert curve[labels][:3].tolist() == [0, 0, 0]  # the third is where fine-tuning begins
        assert curve[labels][3] > 0
        assert all((curve[name][:3] == other[name][:3]).all() for name in names)
        assert curve["freereturn_stepwise"][3] != other["freereturn_stepwise"][3]
    rows = script.rows_of("weight steering", runs)
    assert [row["strength"] for row in rows] == list(script.STRENGTHS)
    assert {row["labels"] for row in rows} == {sum(curve[labels][-1] for curve in curves)}
    assert rows[0]["mixed/return_stepwise"] == pytest.approx(curves[0]["freereturn_stepwise"][2], abs=1e-5)
    stranger = train(small_config(tmp_path / "stranger", method="tuned_to_ghosts", seed=1, **TUNED))
    with pytest.raises(RequestError, match="not tuned from the same base"):
        script.rows_of("weight steering", [runs[0], stranger])


def test_without_strength_two_filtered_agents_are_filtering(tmp_path: Path, script: ModuleType) -> None:
    runs = [
        train(small_config(tmp_path / name, method=name, evaluations=1, **SMALL_GRID))
        for name in ("filtering", "filtering_ghosts")
    ]
    first, *others = script.rows_of("two filtered agents", runs)
    alone = evaluate(runs[0].policy, runs[0].config.env).figures("free")
    assert first["mixed/return_stepwise"] == pytest.approx(alone["return_stepwise"], abs=1e-5)
    assert first["labels"] == sum(run.record["labels"]["training"] for run in runs)
    assert len({row["none/return_start"] for row in others}) == len(others)

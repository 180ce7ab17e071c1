"""Methods from outside: every hook, more than two experts, and plug-ins that are broken."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import process
from stable_baselines3 import A2C
from stable_baselines3.common.logger import Logger

from oversight_gym.agents import METHODS, PLAIN, Method, RoutedPPO, RoutedRollouts
from oversight_gym.agents.methods.memory import Memory, Stream
from oversight_gym.agents.policies.forward import forward_batch
from oversight_gym.agents.ppo import losses
from oversight_gym.agents.ppo.losses import Term
from oversight_gym.agents.routing import UNLABELLED
from oversight_gym.envs import EnvConfig, Outcome, OversightVecEnv, RequestError

SETTINGS: dict[str, Any] = {"n_steps": 32, "batch_size": 128, "n_epochs": 2, "seed": 0, "device": "cpu"}
ARCH = {"net_arch": {"pi": [16, 16], "vf": [16], "gate": [8]}}


def model_of(method: Method, multi_hot: bool | None = None, **settings: Any) -> RoutedPPO:
    env = OversightVecEnv(16, seed=0, oversight_probability=0.5)
    return RoutedPPO(env=env, method=method, policy_kwargs={**ARCH, "multi_hot": multi_hot}, **SETTINGS | settings)


def parameters(model: RoutedPPO, part: str = "") -> list[torch.Tensor]:
    return [tensor.detach().clone() for name, tensor in model.policy.named_parameters() if part in name]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, one, other))


@dataclass(frozen=True)
class SmallGhost(Method):
    """Draws the ghost expert's features to 0."""

    weight: float = 1.0

    def loss_terms(self, model: Any) -> Mapping[str, Term]:
        ghost = model.experts.index("ghost")
        loss = lambda batch, forward: forward.mean(forward.mixed.expert_outputs[ghost].abs().sum(dim=1))  # noqa: E731
        return {"small_ghost_loss": Term(loss, self.weight)}


@pytest.mark.parametrize("multi_hot", [False, None])
def test_a_loss_term_of_its_own_is_minimised_and_logged(multi_hot: bool | None) -> None:
    norms, logged = {}, {}
    for weight in (0.0, 1.0):
        model = model_of(
            SmallGhost("small", "", routed=True, gate_loss=True, weight=weight), multi_hot, learning_rate=3e-3
        )
        model.set_logger(Logger(None, []))
        model.learn(16 * 32 * 10, log_interval=None)
        batch = model.rollout_buffer.minibatch(np.arange(512))
        with torch.no_grad():
            forward = model.policy.forward_batch(batch)
        ghost = model.experts.index("ghost")
        norms[weight] = float(forward.mean(forward.mixed.expert_outputs[ghost].abs().sum(dim=1)))
        logged[weight] = model.logger.name_to_value["train/small_ghost_loss"]
    assert norms[1.0] < 0.5 * norms[0.0]
    assert logged[1.0] == pytest.approx(norms[1.0], abs=0.02)


def test_a_loss_term_sees_every_step_once_also_where_equal_observations_are_evaluated_once() -> None:
    plain, fast = (model_of(METHODS["routing"], multi_hot) for multi_hot in (False, True))
    fast.policy.load_state_dict(plain.policy.state_dict())
    means = []
    for model in (plain, fast):
        model.set_logger(Logger(None, []))
        model.collector = "sb3"
    plain.learn(16 * 32)
    plain.policy.load_state_dict(fast.policy.state_dict())
    batch = plain.rollout_buffer.minibatch(np.arange(512))
    weighed = batch._replace(weights=torch.rand(512, generator=torch.Generator().manual_seed(0)))
    for chosen in (batch, weighed):
        means = []
        for model in (plain, fast):
            forward = model.policy.forward_batch(chosen)
            rows = forward.mixed.expert_outputs[0].sum(dim=1)
            means.append([forward.mean(rows), chosen.mean(forward.values), len(rows)])
        assert torch.allclose(means[0][0], means[1][0], atol=1e-5)
        assert torch.allclose(means[0][1], means[1][1], atol=1e-5)
        assert means[1][2] < means[0][2] == 512


@dataclass(frozen=True)
class Weighed(Method):
    """Counts labelled steps by a factor."""

    factor: float = 1.0

    def steps(self, model: Any, buffer: Any) -> np.ndarray:
        return np.where(buffer.labels == UNLABELLED, 1.0, self.factor).astype(np.float32)


def test_steps_may_count_unequally() -> None:
    settings = {"normalize_advantage": False, "collector": "sb3"}
    routing = METHODS["routing"]
    fields = {name: getattr(routing, name) for name in ("routed", "gate_loss", "unfinished")}
    equal, unlabelled, uneven = (
        model_of(Weighed("weighed", "", factor=factor, **fields), False, **settings).learn(512)
        for factor in (1.0, 0.0, 0.5)
    )
    plain = model_of(routing, False, **settings).learn(512)
    for mine, theirs in zip(equal.policy.parameters(), plain.policy.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)
    assert not same(parameters(uneven), parameters(equal))
    assert (unlabelled.rollout_buffer.kept() == (unlabelled.rollout_buffer.labels == UNLABELLED)).all()


@dataclass(frozen=True)
class SlowExperts(Method):
    """The experts learn at a fraction of the rate."""

    scale: float = 1.0

    def parameter_groups(self, model: Any) -> list[dict[str, Any]]:
        experts = list(model.policy.mixture.experts.parameters())
        others = [p for p in model.policy.parameters() if not any(p is expert for expert in experts)]
        return [{"params": experts, "lr_scale": self.scale}, {"params": others}]


def test_parameter_groups_have_learning_rates_of_their_own(tmp_path: Path) -> None:
    plain = model_of(Method("plain_routing", "", routed=True)).learn(1024)
    whole = model_of(SlowExperts("slow", "", routed=True, scale=1.0)).learn(1024)
    still = model_of(SlowExperts("slow", "", routed=True, scale=0.0))
    experts, head = parameters(still, "experts"), parameters(still, "action_net")
    still.learn(1024)
    assert same(experts, parameters(still, "experts"))
    assert not same(head, parameters(still, "action_net"))
    assert all(map(torch.allclose, parameters(whole), parameters(plain)))
    still.save(tmp_path / "model")
    loaded = RoutedPPO.load(tmp_path / "model", env=OversightVecEnv(16, seed=0))
    loaded.learn(512)
    assert same(experts, parameters(loaded, "experts"))


@dataclass(frozen=True)
class Noisy(Method):
    """Pays noise, from a stream of its own."""

    def start(self, model: Any) -> Mapping[str, Memory]:
        return {"noise": Stream(7)}

    def rewards(self, model: Any, buffer: Any) -> None:
        buffer.rewards += model.memory["noise"].rng.normal(size=buffer.rewards.shape).astype(np.float32)


def test_what_a_method_remembers_is_saved_and_restored(tmp_path: Path) -> None:
    model = model_of(Noisy("noisy", "", experts=("agent",))).learn(1024)
    model.save(tmp_path / "model")
    loaded = RoutedPPO.load(tmp_path / "model", env=OversightVecEnv(16, seed=0))
    assert loaded.memory["noise"].rng.random() == model.memory["noise"].rng.random()
    assert loaded.episodes_observed.tolist() == model.episodes_observed.tolist()


def test_a_model_loaded_without_an_environment_predicts_and_takes_one_later(tmp_path: Path) -> None:
    model = model_of(METHODS["routing"]).learn(1024)
    model.save(tmp_path / "model")
    loaded = RoutedPPO.load(tmp_path / "model")
    observations = OversightVecEnv(16, seed=1).reset()
    for one, other in zip(*(m.predict(observations, deterministic=True) for m in (model, loaded)), strict=True):
        assert one is other is None or (one == other).all()
    loaded.set_env(OversightVecEnv(16, seed=0, oversight_probability=0.9))
    loaded.learn(1024)
    buffer = loaded.rollout_buffer
    for outcome, expert in ((Outcome.DIAMOND, 0), (Outcome.GHOST, 1), (Outcome.UNKNOWN, UNLABELLED)):
        assert (buffer.labels[buffer.outcomes == outcome] == expert).all()
    assert loaded.episodes_observed.sum() > model.episodes_observed.sum()


@dataclass(frozen=True)
class Curriculum(Method):
    """Plain at first, then routing."""

    def stage(self, progress: float) -> Method:
        return self if progress < 0.5 else METHODS["routing"]


def test_a_method_may_change_as_training_goes_on() -> None:
    model = model_of(Curriculum("curriculum", ""))
    found = []
    train = model.train
    model.train = lambda: (found.append(model.stage.name), train())[1]  # type: ignore[method-assign]
    model.learn(16 * 32 * 4)
    assert found == ["curriculum", "curriculum", "routing", "routing"]
    assert set(np.unique(model.rollout_buffer.labels)) == {UNLABELLED, 0, 1}
    assert (model.episodes_observed[[Outcome.GHOST, Outcome.DIAMOND]] > 0).all()


THREE = ("diamond", "ghost", "third")


def test_three_experts_all_the_way() -> None:
    method = Method("three", "", experts=THREE, routed=True, gate_loss=True, gate="ghost", training_gate="free")
    assert method.gates_in(EnvConfig()) == ("free", *THREE)
    assert method.gate_in(EnvConfig()) == "ghost"
    assert replace(method, gate="best").gate_in(EnvConfig()) == "diamond"
    assert replace(method, gate="best", experts=("first", "second")).gate_in(EnvConfig()) == "first"
    model = model_of(method)
    model.set_logger(Logger(None, []))
    third = parameters(model, "experts.third")
    model.learn(2048, log_interval=None)
    assert not same(third, parameters(model, "experts.third"))  # by the unlabelled steps
    assert set(np.unique(model.rollout_buffer.labels)) == {UNLABELLED, 0, 1}
    logged = model.logger.name_to_value
    assert logged["grad_norm/third_on_ghost"] == logged["grad_norm/third_on_diamond"] == 0
    assert logged["grad_norm/ghost_on_ghost"] > 0


def test_experts_are_named_after_the_kinds_the_most_valuable_first() -> None:
    assert METHODS["routing"].experts is None
    assert METHODS["routing"].expert_names(EnvConfig()) == ("diamond", "ghost")
    assert METHODS["routing"].gate_in(EnvConfig()) == "diamond"
    assert METHODS["naive"].gates_in(EnvConfig()) == ("free",)
    assert model_of(METHODS["routing"]).policy.experts == ("diamond", "ghost")


def test_the_plain_method_is_in_no_table() -> None:
    assert PLAIN.name not in METHODS
    assert {"routing", "naive", "filtering", "oracle"} <= set(METHODS)


PACKAGES = {
    "missing": "from nothing_of_that_name import method\n",
    "no_method": "mine = 3\n",
    "misnamed": "from oversight_gym.agents import Method\nmine = Method('other', 'of another name')\n",
    "impossible": "from oversight_gym.agents import Method\nmine = Method('mine', 'pays gold', reward='gold')\n",
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_broken_plug_in_is_named_when_it_is_asked_for_and_breaks_nothing_else(name: str, tmp_path: Path) -> None:
    (tmp_path / "broken_package.py").write_text(PACKAGES[name])
    info = tmp_path / "broken_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[oversight_gym.methods]\nmine = broken_package:mine\n")
    path = str(tmp_path)
    assert process("methods", "naive", PYTHONPATH=path).returncode == 0
    done = process("methods", "mine", PYTHONPATH=path)
    assert done.returncode == 2
    assert "broken_package:mine" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_method_that_needs_what_the_environment_lacks_is_refused() -> None:
    method = Method("blind", "", shown_oversight="masked", experts=("agent",))
    assert method.policy_kwargs(EnvConfig())["blind_to"] == ("oversight",)
    model = model_of(method)
    with pytest.raises(RequestError, match="blind_to is"):
        RoutedPPO(env=model.env, method=method, policy_kwargs={"blind_to": ("sound",), **ARCH})


class RoutedA2C(RoutedRollouts, A2C):
    """Routing in another algorithm, of the same terms."""

    def train(self) -> None:
        if not self.prepare():
            return
        terms = {
            "policy": Term(losses.policy_gradient_loss),
            "entropy": Term(losses.entropy_loss, self.ent_coef),
            "value": Term(losses.value_loss(), self.vf_coef),
            **self.routing_terms(),
        }
        with self.acting():
            for batch in self.rollout_buffer.get():
                forward = forward_batch(self.policy, batch, **self.routing)
                loss = sum(term.coefficient * term.loss(batch, forward) for term in terms.values())
                self.policy.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()


def test_routing_works_in_another_algorithm() -> None:
    env = OversightVecEnv(16, seed=0, oversight_probability=1.0, diamond_oversight_probability=0.0)
    method = Method("ghosts", "", routed=True, left_out=frozenset({"none", "unknown"}))
    model = RoutedA2C(env=env, method=method, policy_kwargs=ARCH, n_steps=32, seed=0, device="cpu")
    before = {name: parameters(model, name) for name in ("experts.ghost", "experts.diamond", ".gate")}
    model.learn(2048)
    assert {name for name in before if not same(before[name], parameters(model, name))} == {"experts.ghost"}


def test_without_routing_the_other_algorithm_is_sb3s(tmp_path: Path) -> None:
    plain = A2C("MlpPolicy", OversightVecEnv(16, seed=0), n_steps=32, seed=0, device="cpu").learn(2048)
    own = RoutedA2C("MlpPolicy", OversightVecEnv(16, seed=0), method=PLAIN, n_steps=32, seed=0, device="cpu").learn(
        2048
    )
    for mine, theirs in zip(own.policy.parameters(), plain.policy.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)
    own.save(tmp_path / "model")
    assert RoutedA2C.load(tmp_path / "model").method == PLAIN

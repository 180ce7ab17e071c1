"""What makes each method that method, and methods from outside."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import command, process, small_config
from hypothesis import given
from hypothesis import strategies as st

from oversight_gym.agents import METHODS, Method, register
from oversight_gym.agents.methods.variants import FineTuned, RewardModelled
from oversight_gym.agents.ppo.labels import shuffle_outcomes
from oversight_gym.agents.routing import UNLABELLED, gate_loss
from oversight_gym.envs import EnvConfig, Outcome, RequestError
from oversight_gym.evaluation.validation import validation_rng
from oversight_gym.runs import build
from oversight_gym.runs.train import train

OBSERVED = (Outcome.DIAMOND, Outcome.GHOST)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 8))
def test_shuffled_labels_keep_their_frequencies(seed: int, steps: int, envs: int) -> None:
    rng = np.random.default_rng(seed)
    ended = rng.random((steps, envs)) < 0.5
    observed = np.where(ended, rng.integers(len(Outcome), size=ended.shape), Outcome.NONE).astype(np.int8)
    dealt = shuffle_outcomes(ended, observed, rng)
    kinds = np.isin(observed, (Outcome.DIAMOND, Outcome.GHOST)) & ended
    assert (dealt[~kinds] == observed[~kinds]).all()
    assert sorted(dealt[kinds]) == sorted(observed[kinds])


def test_shuffled_labels_lose_their_meaning() -> None:
    rng = np.random.default_rng(0)
    observed = rng.choice(np.array([Outcome.DIAMOND, Outcome.GHOST], dtype=np.int8), size=(100, 100))
    dealt = shuffle_outcomes(np.ones(observed.shape, dtype=bool), observed, rng)
    assert np.corrcoef(observed.ravel(), dealt.ravel())[0, 1] == pytest.approx(0, abs=0.05)


def test_random_routing_differs_from_routing_by_its_labels_alone(tmp_path: Path) -> None:
    shuffled, true = (
        build.make_model(small_config(tmp_path, method=name)).learn(1024) for name in ("random_routing", "routing")
    )
    mine, theirs = shuffled.rollout_buffer, true.rollout_buffer
    for name in ("observed", "ended", "rewards", "actions"):  # the first rollout is the same
        assert (getattr(mine, name) == getattr(theirs, name)).all()
    assert (np.bincount(mine.outcomes[mine.ended]) == np.bincount(theirs.outcomes[theirs.ended])).all()
    assert (mine.labels != theirs.labels).any()
    assert ((mine.labels == UNLABELLED) == (theirs.labels == UNLABELLED)).all()
    assert (shuffled.episodes_observed == true.episodes_observed).all()


def test_shuffling_and_validation_draw_from_streams_of_their_own(tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, method="random_routing", seed=5))
    generators = [model.memory["shuffle"].rng, validation_rng(5, 0), validation_rng(5, 1024), np.random.default_rng(5)]
    first = [generator.random() for generator in generators if generator is not None]
    assert len(set(first)) == 4  # the last is the training environment's


def test_no_gate_is_the_mean_of_the_experts_and_routes(tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, method="no_gate"))
    policy = model.policy
    assert policy.mixture.gate is None
    obs = torch.as_tensor(model.env.reset())
    features = policy.policy_features(obs)
    assert (policy.mixture.gate_weights(features) == 0.5).all()
    diamond, ghost = policy.mixture.expert_outputs(features)
    assert torch.allclose(policy.mixture.forward_actor(features), (diamond + ghost) / 2)
    with policy.steer("ghost"):
        assert torch.allclose(policy.mixture.forward_actor(features), ghost)
    assert model.method.routed
    assert not model.routing_terms()


def test_filterings_gradient_is_that_of_the_observed_episodes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {"batch_size": 1024, "normalize_advantage": False, "max_grad_norm": 0.0, "anneal": False}
    model = build.make_model(small_config(tmp_path, method="filtering", oversight=0.3, **plain))
    policy, found = model.policy, {}
    monkeypatch.setattr(
        policy.optimizer, "step", lambda: found.update({n: p.grad.clone() for n, p in policy.named_parameters()})
    )
    model.learn(1024)
    buffer = model.rollout_buffer
    observed = np.isin(buffer.outcomes.T.ravel(), (Outcome.NONE, Outcome.DIAMOND, Outcome.GHOST))
    assert 0 < observed.mean() < 0.8
    obs, actions, advantages, returns = (
        torch.as_tensor(getattr(buffer, name)[observed].squeeze())
        for name in ("observations", "actions", "advantages", "returns")
    )
    values, log_prob, entropy = policy.evaluate_actions(obs, actions.long())
    loss = -(advantages * log_prob).mean() - model.ent_coef * entropy.mean()
    loss = loss + model.vf_coef * (values.squeeze() - returns).square().mean()
    for (name, _), gradient in zip(
        policy.named_parameters(), torch.autograd.grad(loss, list(policy.parameters())), strict=True
    ):
        assert torch.allclose(found[name], gradient, atol=1e-5), name


@pytest.mark.parametrize("method", ["no_routing", "routing"])
def test_only_with_routing_does_the_label_decide_which_expert_learns(method: str, tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, method=method))
    mixture = model.policy.mixture
    mixture.experts["ghost"].load_state_dict(mixture.experts["diamond"].state_dict())
    torch.nn.init.zeros_(mixture.gate[-1].weight)
    torch.nn.init.zeros_(mixture.gate[-1].bias)
    features = model.policy.policy_features(torch.as_tensor(model.env.reset()))
    for label in (0, 1, UNLABELLED):
        mixed = mixture.mix(features, torch.full((32,), label), **model.routing).output.sum()
        of_diamond, of_ghost = (
            torch.cat([g.ravel() for g in torch.autograd.grad(mixed, list(expert.parameters()), retain_graph=True)])
            for expert in mixture.experts.values()
        )
        assert torch.allclose(of_diamond, of_ghost) == (method == "no_routing" or label == UNLABELLED)
        assert of_diamond.any() == (method == "no_routing" or label != 1)


def test_demix_passes_labelled_steps_through_their_expert_alone(tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, method="demix"))
    mixture = model.policy.mixture
    features = model.policy.policy_features(torch.as_tensor(model.env.reset())[:3])
    diamond, ghost = mixture.expert_outputs(features)
    free = mixture.forward_actor(features)
    labels = torch.tensor([0, 1, UNLABELLED])
    mixed = mixture.mix(features, labels, **model.routing).output
    assert torch.equal(mixed, torch.stack([diamond[0], ghost[1], free[2]]))
    for row, (of_diamond, of_ghost, of_gate) in enumerate([(True, False, False), (False, True, False), (True,) * 3]):
        networks = (mixture.experts["diamond"], mixture.experts["ghost"], mixture.gate)
        for network, reached in zip(networks, (of_diamond, of_ghost, of_gate), strict=True):
            gradients = torch.autograd.grad(mixed[row].sum(), list(network.parameters()), retain_graph=True)
            assert any(gradient.any() for gradient in gradients) == reached
    assert model.routing_terms()["gate_loss"].coefficient == model.gate_coef > 0


@pytest.mark.parametrize("oversight", [0.01, 0.3, 1.0])
def test_the_unbiased_penalty_pays_the_ground_truth_in_the_mean(oversight: float) -> None:
    rule = EnvConfig(reward="penalty", oversight_probability=oversight).reward_table
    assert oversight * rule[Outcome.GHOST] + (1 - oversight) * rule[Outcome.UNKNOWN] == pytest.approx(-1)
    assert oversight * rule[Outcome.DIAMOND] + (1 - oversight) * rule[Outcome.UNKNOWN] == pytest.approx(1)
    own = EnvConfig(reward="penalty", oversight_probability=oversight, ghost_penalty=-3.0).reward_table
    assert own[Outcome.GHOST] == -3.0
    with pytest.raises(RequestError, match="ghosts are never observed"):
        EnvConfig(reward="penalty", oversight_probability=0.0)


def test_a_masked_policy_is_blind_to_oversight_and_stays_so(tmp_path: Path) -> None:
    run = train(small_config(tmp_path / "run", method="masked_oversight"))
    obs = torch.as_tensor(build.make_env(run.config).reset())
    flipped = obs.clone()
    flipped[:, 3] = 1 - flipped[:, 3]
    for policy in (run.policy, build.make_model(run.config).policy):
        with torch.no_grad():
            assert torch.equal(policy.log_probs(obs), policy.log_probs(flipped))
            assert torch.equal(policy.predict_values(obs), policy.predict_values(flipped))
            moved = obs.roll(1, dims=3)
            assert not torch.equal(policy.log_probs(obs), policy.log_probs(moved))
    begun = build.make_policy(run.config).state_dict()
    learnt = run.policy.state_dict()
    assert any(not torch.equal(begun[name], learnt[name]) for name in begun)


def test_the_list_names_every_method_with_its_loss() -> None:
    shown = command("methods")
    assert shown.returncode == 0, shown.stderr
    for name, method in METHODS.items():
        assert f"{name}" in shown.stdout
        assert len(method.description) > 80
        assert method.description.split()[0] in shown.stdout
    assert command("methods", "naive").stdout.count("trained on") == 1
    assert command("methods", "magic").returncode == 2
    page = (Path(__file__).parents[1] / "docs" / "methods.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` ", page, flags=re.M)) == set(METHODS)


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "methods.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    (tmp_path / "timid.py").write_text(code)
    words = ["--plugin", tmp_path / "timid.py", "--method", "timid", "--oversight", 0.3, "--total-timesteps", 40_000]
    done = process("train", *words, "--run-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "timid, oversight 0.3, seed 0" in done.stdout


def test_a_package_brings_its_own_method(tmp_path: Path) -> None:
    (tmp_path / "my_package.py").write_text(
        "from oversight_gym.agents import Method\n"
        "MINE = Method('mine', 'as naive', reward='naive', experts=('agent',), gate='free')\n"
    )
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[oversight_gym.methods]\nmine = my_package:MINE\n")
    path = str(tmp_path)
    assert "mine: as naive" in process("methods", "mine", PYTHONPATH=path).stdout
    tiny = ["total_timesteps=2048", "num_envs=16", "n_steps=32", "evaluations=1"]
    out = tmp_path / "out"
    words = ["--methods", "mine", "naive", "--oversight", 0.3, "--seeds", 1, "--out", out, "--set", *tiny]
    done = process("sweep", *words, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    mine, naive = (out / "oversight=0.30" / name / "seed=0" / "model.safetensors" for name in ("mine", "naive"))
    assert mine.read_bytes() == naive.read_bytes()


def test_a_method_that_cannot_be_is_refused() -> None:
    with pytest.raises(RequestError, match="there is a method 'naive' already"):
        register(Method("naive", "again"))
    with pytest.raises(RequestError, match="reward is 'gold'"):
        register(Method("mine", "mine", reward="gold"))
    with pytest.raises(RequestError, match="gate is 'dragon'"):
        register(Method("mine", "mine", gate="dragon"))
    with pytest.raises(RequestError, match="shown_oversight is 'half'"):
        register(Method("mine", "mine", shown_oversight="half"))
    with pytest.raises(RequestError, match="evidence is 'oracle'"):
        register(RewardModelled("mine", "mine", evidence="oracle"))
    with pytest.raises(RequestError, match="training_gate is 'dragon'"):
        register(FineTuned("mine", "mine", then=Method("then", "then", training_gate="dragon")))
    with pytest.raises(RequestError, match=r"then\.reward is 'ground_truth'"):
        register(FineTuned("mine", "mine", then=Method("then", "then", reward="ground_truth")))
    with pytest.raises(RequestError, match="give it `then`"):
        register(FineTuned("mine", "mine"))
    assert "mine" not in METHODS


def rollout_of(method: str, folder: Path, **settings: Any) -> Any:
    """The model of a method after one rollout and one update at 30 % oversight."""
    plain = {"batch_size": 1024, "normalize_advantage": False, "max_grad_norm": 0.0, "anneal": False}
    return build.make_model(small_config(folder, method=method, oversight=0.3, **plain | settings)).learn(1024)


def test_filterings_ablations_differ_by_the_timeouts_alone(tmp_path: Path) -> None:
    filtering, without, weighted = (
        rollout_of(name, tmp_path, max_episode_steps=9).rollout_buffer
        for name in ("filtering", "filtering_no_timeouts", "filtering_weighted")
    )
    timeouts, kinds = (np.isin(filtering.outcomes, names) for names in ([Outcome.NONE], OBSERVED))
    assert timeouts.any()
    assert kinds.any()
    assert (filtering.steps == (timeouts | kinds)).all()
    assert (without.steps == kinds).all()
    assert weighted.steps[timeouts] == pytest.approx(1)
    assert weighted.steps[kinds] == pytest.approx(1 / 0.3)
    assert (weighted.steps[~(timeouts | kinds)] == 0).all()


def test_masked_routing_routes_and_nothing_of_it_sees_oversight(tmp_path: Path) -> None:
    model = rollout_of("masked_routing", tmp_path)
    assert model.method.routed
    assert (model.rollout_buffer.labels >= 0).any()
    obs = torch.as_tensor(model.env.reset())
    flipped = obs.clone()
    flipped[:, 3] = 1 - flipped[:, 3]
    policy = model.policy
    for gate in ("free", "diamond", "ghost"):
        with policy.steer(gate), torch.no_grad():
            assert torch.equal(policy.log_probs(obs), policy.log_probs(flipped))
    weights = [
        policy.mixture.gate_weights(policy.policy_features(seen)) for seen in (obs, flipped, obs.roll(1, dims=3))
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("per_minibatch", [False, True])
def test_the_gate_loss_is_the_rollouts_unless_it_is_asked_for_per_minibatch(
    per_minibatch: bool, tmp_path: Path
) -> None:
    model = rollout_of("routing", tmp_path, gate_per_minibatch=per_minibatch, learning_rate=1e-12)
    term, buffer = model.routing_terms()["gate_loss"], model.rollout_buffer
    labels = torch.from_numpy(buffer.labels.T.ravel())
    logits = model.policy.mixture.gate_logits(model.policy.policy_features(torch.from_numpy(buffer.observations)))
    whole = gate_loss(logits, labels)
    losses, sizes = [], (3, 61, 192, 768)  # some of the small ones lack a kind
    for indices in np.split(np.random.default_rng(0).permutation(1024), np.cumsum(sizes)[:-1]):
        batch = buffer.minibatch(indices)
        losses.append(term.loss(batch, model.policy.forward_batch(batch, **model.routing)))
    mean = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / 1024
    assert (mean.item() == pytest.approx(whole.item(), rel=1e-5)) != per_minibatch


def test_methods_say_what_they_assume() -> None:
    assumed = {name: METHODS[name].assumptions for name in METHODS}
    hidden, classifier = (
        "oversight can be hidden from the agent",
        "a classifier generalises from watched to unwatched ends",
    )
    assert {name for name in assumed if hidden in assumed[name]} == {
        "masked_routing",
        "masked_oversight",
        "shuffled_oversight",
    }
    assert {name for name in assumed if classifier in assumed[name]} == {
        "classified_routing",
        "reward_model",
        "reward_model_masked",
        "reward_model_trajectory",
    }
    assert assumed["oracle"]
    assert not any(assumed[name] for name in ("routing", "no_routing", "naive", "filtering", "demix"))
    assert f"assumes {hidden}" in METHODS["masked_routing"].facts

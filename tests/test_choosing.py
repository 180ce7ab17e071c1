"""Choosing a gate by what the supervisor sees, and what the choice is truly worth."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import command
from gymnasium.spaces import Discrete
from panes import pane_of
from worlds import WORLDS

from oversight_gym.agents import GatedMixturePolicy
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.evaluation import choose_gate, evaluate, judge_choice
from oversight_gym.evaluation.choosing import candidate_gates
from oversight_gym.evaluation.situations import all_blocks
from oversight_gym.evaluation.validation import overseen_score, overseen_scores
from oversight_gym.runs.folder import Run

CONFIG = EnvConfig(size=3, oversight_probability=0.2, max_episode_steps=12)
GAMMA = 0.97


@pytest.fixture(scope="module")
def policy() -> GatedMixturePolicy:
    """Each expert prefers steps towards its kind of terminal, and minds nothing else; the gate says nothing."""
    torch.manual_seed(0)
    experts, arch = ("diamond", "ghost"), {"pi": [64], "vf": [8], "gate": []}
    made = GatedMixturePolicy(CONFIG.observation_space, Discrete(4), lambda _: 1e-2, experts=experts, net_arch=arch)
    seen = torch.as_tensor(np.concatenate([block.observations() for block in all_blocks(CONFIG)]))
    agent, ghost, diamond = (seen[:, plane].flatten(1).float().argmax(dim=1) for plane in range(3))
    for _ in range(150):
        loss = torch.zeros(())
        for expert, goal in (("diamond", diamond), ("ghost", ghost)):
            down, right = goal // 3 - agent // 3, goal % 3 - agent % 3
            wanted = torch.stack([-down, right, down, -right], dim=1).clamp(min=0).float()
            with made.steer(expert):
                log_probs = made.get_distribution(seen).distribution.logits
            loss -= (
                ((0.7 * wanted / wanted.sum(dim=1, keepdim=True).clamp(min=1) + 0.075) * log_probs).sum(dim=1).mean()
            )
        made.optimizer.zero_grad()
        loss.backward()
        made.optimizer.step()
    return made


def test_the_choice_beats_plain_steering_and_stays_within_its_labels(policy: GatedMixturePolicy) -> None:
    assert candidate_gates(policy.experts)[:3] == ("diamond", "diamond+0.25", "diamond+0.5")
    regrets = []
    for seed in range(4):
        chosen = judge_choice(
            policy, CONFIG, choose_gate(policy, CONFIG, 300, GAMMA, np.random.default_rng(seed)), GAMMA
        )
        assert 298 <= chosen.labels <= 300
        assert chosen.returns[chosen.gate] > chosen.returns["diamond"] + 0.05 > chosen.returns["free"]
        regrets.append(chosen.regret)
    assert min(regrets) >= 0
    assert np.mean(regrets) < 0.02
    exact = evaluate(policy, CONFIG, ("diamond+2",), gamma=GAMMA).figures("diamond+2", "none")["return_start"]
    assert chosen.returns["diamond+2"] == pytest.approx(exact)
    assert chosen.best == max(chosen.returns, key=lambda name: chosen.returns[name])


@pytest.mark.parametrize("labels", [4, 5, 20])
def test_small_budgets_are_kept_without_bias(policy: GatedMixturePolicy, labels: int) -> None:
    gates, rng = ("diamond", "diamond+1", "ghost"), np.random.default_rng(labels)
    found = [overseen_scores(policy, CONFIG, gates, GAMMA, labels, rng) for _ in range(40)]
    assert max(score.labels for scores in found for score in scores) <= labels
    exact = evaluate(policy, EnvConfig(**CONFIG.to_json()), gates, gamma=GAMMA)
    for number, gate in enumerate(gates):
        values = np.array([scores[number].value for scores in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - exact.figures(gate)["return_start"]) < 4 * error + 0.02  # it hardly reads oversight


def test_candidates_share_situations_and_looks(policy: GatedMixturePolicy) -> None:
    gates = ("diamond", "diamond+0.25")
    found = [overseen_scores(policy, CONFIG, gates, GAMMA, 60, np.random.default_rng(seed)) for seed in range(20)]
    values = np.array([[score.value for score in scores] for scores in found])
    assert (values[:, 1] - values[:, 0]).std() < 0.7 * values[:, 0].std()
    alone = [overseen_score(policy, CONFIG, "diamond", GAMMA, 60, np.random.default_rng(seed)) for seed in range(20)]
    together = np.mean([scores[0].episodes for scores in found])
    assert together > 0.75 * np.mean([score.episodes for score in alone])


@pytest.mark.parametrize("name", list(WORLDS))
def test_the_budget_is_kept_in_every_world(name: str) -> None:
    pane = pane_of(**WORLDS[name])
    assert pane.policy is not None
    gates, rng, spent = ("free", "diamond", "ghost", "diamond+3"), np.random.default_rng(0), []
    for labels in (20, 21, 40):
        found = overseen_scores(pane.policy, pane.config, gates, GAMMA, labels, rng)
        spent.append(labels - found[0].labels)
        assert len({score.labels for score in found}) == 1
        assert all(np.isfinite(score.value) for score in found)
    assert min(spent) >= 0


def test_what_cannot_be_chosen(policy: GatedMixturePolicy) -> None:
    unwatched, rng = EnvConfig(size=3, oversight_probability=0.0), np.random.default_rng(0)
    chosen = choose_gate(policy, unwatched, 10, GAMMA, rng)
    assert (chosen.gate, chosen.labels) == ("diamond", 0)
    json.dumps(judge_choice(policy, unwatched, chosen, GAMMA).to_json(), allow_nan=False)
    for arguments, sentence in (
        ({"labels": 3}, "labels is 3"),
        ({"candidates": ["dragon"]}, "no expert 'dragon'"),
        ({"candidates": []}, "candidates is empty"),
    ):
        with pytest.raises(RequestError, match=sentence):
            choose_gate(policy, CONFIG, **{"labels": 10, "gamma": GAMMA, "rng": rng, **arguments})
    alone = GatedMixturePolicy(CONFIG.observation_space, Discrete(4), lambda _: 1e-3)
    with pytest.raises(RequestError, match="single expert"):
        choose_gate(alone, CONFIG, 10, GAMMA, rng)


def test_choosing_on_the_command_line(small_run: Run, tmp_path: Path) -> None:
    words = ("steer", small_run.folder, "--out", tmp_path, "--points", 2, "--contrast", 0)
    shown = command(*words, "--choose", 20)
    assert shown.returncode == 0, shown.stderr
    choice = json.loads((tmp_path / "steering.json").read_text())["choice"]
    assert f"Chosen: gate {choice['gate']}, for {choice['labels']} labels" in shown.stdout
    assert f"the regret is {choice['regret']:.4f}" in shown.stdout
    assert choice["labels"] <= 20
    returns = {name: candidate["return"] for name, candidate in choice["candidates"].items()}
    assert choice["regret"] == pytest.approx(max(returns.values()) - returns[choice["gate"]])
    refused = command(*words, "--choose", 3)
    assert refused.returncode == 2
    assert "choose is 3" in refused.stderr

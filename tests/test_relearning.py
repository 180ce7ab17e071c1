"""Relearning: networks made of a trained one, the attacker, its curves, and the command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import command, tiniest_config
from planted import planted_policy

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.oversight.outcomes import FIRST_KIND
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.probabilities import policy_query
from oversight_gym.localisation.intervene import edited_query, scaling
from oversight_gym.localisation.networks import distilled, fresh, lone, muted, pruned
from oversight_gym.localisation.relearning import Attack, Curve, attacked, relearn
from oversight_gym.localisation.starts import STARTS, Victim, starts_of
from oversight_gym.localisation.units import Units
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import train

SMALL = EnvConfig(size=3, oversight_probability=0.3)
ATTACK = Attack(steps=30, num_envs=64, evaluations=4, learning_rate=0.01)


def seen(policy: GatedMixturePolicy) -> Any:
    return np.random.default_rng(0).integers(2, size=(50, *policy.observation_space.shape)).astype(np.int8)


def test_an_expert_alone_does_what_the_policy_steered_to_it_does(small_run: Run) -> None:
    policy, obs = small_run.policy, seen(small_run.policy)
    for expert in policy.experts:
        assert policy_query(lone(policy, expert))(obs)[0] == pytest.approx(
            policy_query(policy, [expert])(obs)[0], abs=1e-6
        )
    assert lone(policy, "diamond").experts == ("agent",)


def test_cutting_units_away_and_muting_them_is_silencing_them(small_run: Run) -> None:
    policy, rng = lone(small_run.policy, "diamond"), np.random.default_rng(1)
    obs, units = seen(policy), Units.of(policy)
    for share in (0.0, 0.3, 0.9):
        kept = rng.random(len(units)) < share
        silenced = edited_query(policy, [scaling(units, torch.from_numpy(kept).float())])(obs)[0]
        assert policy_query(pruned(policy, kept))(obs)[0] == pytest.approx(silenced, abs=1e-6)
        assert policy_query(muted(policy, kept.astype(float)))(obs)[0] == pytest.approx(silenced, abs=1e-6)


def test_a_student_takes_its_teachers_actions_and_shares_nothing_with_it() -> None:
    teacher, _ = planted_policy(SMALL, seed=0)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    query, blank = policy_query(teacher), fresh(teacher, 0)
    student = distilled(lambda obs: query(obs)[0], fresh(teacher, 0), SMALL, np.random.default_rng(0), steps=200)

    def far(policy: GatedMixturePolicy) -> float:
        ends = [evaluate(one, SMALL, regret=False).figures("free")["p_ghost"] for one in (teacher, policy)]
        return abs(ends[0] - ends[1])

    assert far(student) < 0.05 < far(blank)
    assert all(value.equal(before[name]) for name, value in teacher.state_dict().items())


def test_the_attacker_is_paid_for_what_is_not_wanted_and_for_nothing_else() -> None:
    config = EnvConfig(kinds=("diamond", "ghost", "coin"), size=4, reward="unwanted")
    assert config.reward_table[FIRST_KIND:].tolist() == [0, 1, 0]
    assert config.reward_table[:FIRST_KIND].tolist() == [0] * FIRST_KIND
    assert config.reward_rule.uses_hidden


def test_an_attack_brings_ghosts_back_and_leaves_the_policy_as_it_was() -> None:
    policy = fresh(planted_policy(SMALL, seed=0)[0], 0)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    curve = relearn(policy, SMALL, ATTACK)
    assert curve.steps == ATTACK.judged
    assert curve.unwanted[0] == pytest.approx(evaluate(policy, SMALL).figures("free", "none")["p_ghost"])
    assert curve.unwanted[-1] > curve.unwanted[0] + 0.2
    assert curve.returns[-1] < curve.returns[0]
    assert all(value.equal(before[name]) for name, value in policy.state_dict().items())
    assert relearn(policy, SMALL, ATTACK) == curve


def test_the_attackers_value_network_is_its_own() -> None:
    policy, _ = planted_policy(SMALL, seed=0)
    models = [attacked(policy, SMALL, replace(ATTACK, seed=seed)).policy.state_dict() for seed in (0, 1)]
    for name, value in policy.state_dict().items():
        own = "value_net" in name
        assert models[0][name].equal(value) or own
        if own and name.endswith("weight"):
            assert not models[0][name].equal(value)
            assert not models[0][name].equal(models[1][name])


def test_nothing_is_relearnt_where_nothing_is_unwanted() -> None:
    config = EnvConfig(kinds=("diamond", "coin"), size=3)
    with pytest.raises(RequestError, match="no kind among diamond, coin has a negative value"):
        relearn(planted_policy(config, seed=0)[0], config, ATTACK)


def test_steps_to_a_level_and_area() -> None:
    curve = Curve((0, 1, 3, 7), (0.2, 0.2, 0.6, 0.4), (0, 0, 0, 0))
    assert curve.steps_to(0.2) == 0
    assert curve.steps_to(0.3) == pytest.approx(1.5)
    assert curve.steps_to(0.6) == pytest.approx(3)
    assert curve.steps_to(0.7) is None
    assert curve.area == pytest.approx((0.2 + 0.8 + 2.0) / 7)


def test_judged_steps_begin_with_0_and_end_with_the_last() -> None:
    assert Attack(steps=1, evaluations=1).judged == (0, 1)
    assert Attack(steps=100, evaluations=3).judged == (0, 1, 10, 100)


def test_single_networks_have_nothing_to_ablate(tiniest_run: Run, tmp_path: Path) -> None:
    naive = train(tiniest_config(tmp_path / "run", method="naive"))
    assert starts_of(Victim(tiniest_run)) == tuple(STARTS)
    assert "ablated" not in starts_of(Victim(naive))
    refused = command("relearn", naive.folder, "--starts", "ablated")
    assert refused.returncode == 2
    assert "'ablated'; choose one of as-trained, impaired" in refused.stderr


def test_the_command_writes_rows_figures_and_pictures(tmp_path: Path) -> None:
    three = {"kinds": ("ghost", "diamond", "coin"), "size": (3, 3)}
    run = train(tiniest_config(tmp_path / "run", **three))
    done = command("relearn", run.folder, "--quick", "--steps", 2, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "out" / "relearning.json").read_text())
    assert set(data["starts"]) == set(STARTS)
    assert data["starts"]["ablated"]["steps"] == [0, 1, 2]
    for kind in ("csv", "png", "svg"):
        assert (tmp_path / "out" / f"relearning.{kind}").stat().st_size > 100
    assert "ablated" in done.stdout

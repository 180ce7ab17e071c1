"""The hidden units of a policy, and interventions on them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Scaled
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.evaluation.figures import evaluate, evaluate_table
from oversight_gym.evaluation.probabilities import policy_query, table_of
from oversight_gym.evaluation.situations import all_blocks
from oversight_gym.localisation.intervene import (
    SITES,
    activations,
    dense,
    edited_actor,
    edited_query,
    noise,
    scaling,
)
from oversight_gym.localisation.units import Cluster, Units, overlap, random_cluster, top
from oversight_gym.runs.build import make_policy
from oversight_gym.runs.config import TrainConfig

SIZE = {"size": (3, 3), "layers": (8, 6), "gate_layers": (8,), "value_layers": (8,)}


def fresh(method: str, **settings: object) -> tuple[GatedMixturePolicy, EnvConfig]:
    config = TrainConfig.of(method=method, **{**SIZE, **settings}, run_dir=Path("unused"))
    torch.manual_seed(0)
    return make_policy(config), config.env


def observations(env: EnvConfig) -> np.ndarray:
    return next(iter(all_blocks(env))).observations()


@pytest.mark.parametrize("method", ["routing", "naive"])
@pytest.mark.parametrize("view", ["planes", "window", "index", "camera"])
def test_without_an_intervention_the_policy_is_itself(method: str, view: str) -> None:
    policy, env = fresh(method, view=view)
    gates = [None, "ghost", Scaled("ghost", 0.3)] if method == "routing" else [None]
    seen = observations(env)
    found, expected = edited_query(policy, [None], gates)(seen), policy_query(policy, gates)(seen)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_ablated_expert_is_the_gate_without_it() -> None:
    policy, env = fresh("routing")
    units = Units.of(policy)
    without = scaling(units, torch.from_numpy(~units.of_network("ghost")).float())
    table = table_of(edited_query(policy, [None, without], [None, "diamond"]))
    found = evaluate_table(table, env, ["free", "steered", "ablated", "both"], regret=False)
    expected = evaluate(policy, env, {"ablated": Scaled("ghost", 0.0), "both": "diamond"}, regret=False)
    for name in ("ablated", "both"):
        assert found.figures(name) == pytest.approx(expected.figures(name), abs=1e-5)
    assert found.figures("free") != pytest.approx(found.figures("ablated"), abs=1e-5)
    alone = evaluate(edited_actor(policy, without), env, regret=False)
    assert alone.figures("free") == pytest.approx(found.figures("ablated"), abs=1e-5)


def test_units_are_numbered_network_by_network() -> None:
    policy, env = fresh("routing")
    units = Units.of(policy)
    assert len(units) == 2 * (8 + 6)
    assert units.networks == ("diamond", "ghost")
    assert units.name(0) == "diamond/1/0"
    assert units.name(13) == "diamond/2/5"
    assert units.name(14) == "ghost/1/0"
    held = activations(units, dense(policy.policy_features(policy.obs_to_tensor(observations(env))[0])))
    assert held.shape[1] == len(units)
    assert (held >= 0).all()
    assert Units.of(fresh("naive")[0]).networks == ("agent",)
    with pytest.raises(RequestError, match="'ghots' is not an expert"):
        units.of_network("ghots")


@pytest.mark.parametrize("at", SITES)
def test_noise_reaches_the_units_it_is_meant_for_and_repeats_with_its_seed(at: str) -> None:
    policy, env = fresh("routing")
    units, seen = Units.of(policy), observations(env)
    scale = torch.from_numpy(units.of_network("ghost")).float()

    def noisy(seed: int) -> np.ndarray:
        return edited_query(policy, [noise(units, scale, torch.Generator().manual_seed(seed), at)], ["diamond", None])(
            seen
        )

    untouched = policy_query(policy, ["diamond", None])(seen)
    np.testing.assert_allclose(noisy(1)[0], untouched[0], atol=1e-6)
    assert np.abs(noisy(1)[1] - untouched[1]).max() > 1e-3
    np.testing.assert_array_equal(noisy(1), noisy(1))
    assert (noisy(1)[1] != noisy(2)[1]).any()


def test_clusters() -> None:
    assert top("best", np.array([1.0, 3.0, 3.0, 0.0]), 2).members.tolist() == [False, True, True, False]
    drawn = random_cluster("random", 10, 4, np.random.default_rng(0))
    assert len(drawn) == 4
    first, second = Cluster("a", np.array([True, True, False])), Cluster("b", np.array([False, True, True]))
    np.testing.assert_allclose(overlap([first, second]), [[1, 1 / 3], [1 / 3, 1]])
    with pytest.raises(RequestError, match="size is 11, but the policy has 10 hidden units"):
        random_cluster("random", 10, 11, np.random.default_rng(0))

"""Skills, Shapley values, impaired clusters, and the command that brings them together."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import command, tiniest_config
from test_localisation import fresh

from oversight_gym.agents.policies.steering import Scaled
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.references import CEILINGS
from oversight_gym.localisation.clusters import TopicCluster, random_clusters
from oversight_gym.localisation.curves import PRECISION, Subject, curves, intact
from oversight_gym.localisation.impair import impair
from oversight_gym.localisation.impairments import KINDS
from oversight_gym.localisation.intervene import edited_query
from oversight_gym.localisation.local_skill import LocalSkill, Statistics, contrast
from oversight_gym.localisation.shapley import exact, sampled, shapley
from oversight_gym.localisation.skills import Situations, Skills, measured
from oversight_gym.localisation.units import Units, top
from oversight_gym.runs.folder import PACKAGED, Run, load_run
from oversight_gym.runs.train import train

NEVER = -1.0
"""A tolerance that cuts no order short."""


def additive(worth: np.ndarray):
    return lambda coalitions: coalitions.astype(float) @ worth


def together(coalitions: np.ndarray) -> np.ndarray:
    """Worth 1 with the first two players, and 1 with the third alone; another game only with the fourth."""
    return np.stack([coalitions[:, :2].all(axis=1) + 1.0 * coalitions[:, 2], 2.0 * coalitions[:, 3]], axis=1)


@pytest.mark.parametrize(
    "way", [lambda game, n: exact(game, n), lambda game, n: sampled(game, n, None, RNG(), 400, NEVER)]
)
def test_shapley_values_of_games_that_are_known(way) -> None:
    worth = np.random.default_rng(1).normal(size=(8, 2))
    np.testing.assert_allclose(way(additive(worth), 8).values, worth, atol=1e-9)
    expected = np.zeros((8, 2))
    expected[:4] = [[0.5, 0], [0.5, 0], [1, 0], [0, 2]]
    found = way(together, 8)
    np.testing.assert_allclose(found.values, expected, atol=0.1)
    assert (np.abs(found.values - expected) <= 4 * found.errors + 1e-9).all()


def RNG() -> np.random.Generator:
    return np.random.default_rng(0)


def local_skill(method: str, **settings: object) -> tuple[LocalSkill, Units]:
    policy, env = fresh(method, **settings)
    units, situations = Units.of(policy), Situations(env)
    skills = Skills(env.kinds, np.array([True, False]), np.array([0.5, 0.5]))
    game = LocalSkill(policy, units, situations, skills, (None, None), RNG())
    optimiser = torch.optim.Adam(policy.parameters(), 0.05)  # a fresh policy has next to no skill to attribute
    for _ in range(100):
        optimiser.zero_grad()
        (-game._of(torch.ones(1, len(units))).sum()).backward()
        optimiser.step()
    return game, units


@pytest.mark.parametrize(("method", "layers"), [("routing", (2, 2)), ("naive", (4, 4))])
def test_sampled_shapley_values_of_a_network_of_eight_units_are_the_enumerated_ones(
    method: str, layers: tuple[int, ...]
) -> None:
    game, units = local_skill(method, layers=layers)
    assert len(units) == 8
    closed = exact(game, 8)
    assert closed.coalitions == 256
    ends = game(np.array([[True] * 8, [False] * 8]))
    np.testing.assert_allclose(closed.values.sum(axis=0), ends[0] - ends[1], atol=1e-6)
    assert np.abs(closed.values).max() > 0.02
    found = sampled(game, 8, None, RNG(), 600, NEVER)
    assert (np.abs(found.values - closed.values) <= 4 * found.errors + 1e-6).all()
    assert found.errors.max() < 0.02
    np.testing.assert_allclose(shapley(game, 8, 4, RNG()).values, closed.values)  # so few are enumerated


def test_gradients_are_what_a_small_scaling_of_a_unit_changes() -> None:
    game, units = local_skill("routing")
    step, gradients = 1e-2, game.gradients()
    for unit in range(0, len(units), 5):
        factors = torch.ones(2, len(units))
        factors[0, unit], factors[1, unit] = 1 + step, 1 - step
        with torch.no_grad():
            up, down = game._of(factors).numpy()
        np.testing.assert_allclose(gradients[unit], (up - down) / (2 * step), atol=2e-3)


def test_orders_are_cut_short_and_the_bandit_leaves_out_who_is_settled() -> None:
    worth = np.zeros((200, 1))
    worth[:10] = 1.0

    def floored(coalitions: np.ndarray) -> np.ndarray:
        return np.maximum(additive(worth)(coalitions), 5.0)  # nothing is left to lose below half

    whole = sampled(floored, 200, 10, RNG(), 96, NEVER)
    cut = sampled(floored, 200, 10, RNG(), 96)
    assert cut.coalitions < whole.coalitions < 96 * 200
    for found in (whole, cut):
        assert top("best", found.values[:, 0], 10).members.nonzero()[0].tolist() == list(range(10))
        assert found.settled[:10].all()


def test_an_order_goes_on_while_a_game_has_something_to_lose_though_a_difference_has_not() -> None:
    worth = np.zeros((100, 2))
    worth[::2, 0] = worth[1::2, 1] = 1.0  # the difference of the two games is 0 with everybody and with nobody
    found = sampled(additive(worth), 100, 50, RNG(), 32, of=contrast)
    expected = np.where(np.arange(100) % 2 == 0, 1.0, -1.0)
    assert top("first", found.values[:, 0], 50).members.tolist() == (expected > 0).tolist()
    np.testing.assert_allclose(found.values[:, 0], expected, atol=0.15)


def test_a_policy_that_takes_what_is_nearest_has_every_skill_and_the_best_one_avoids_the_worst() -> None:
    situations = Situations(fresh("naive")[1])
    nearest = measured(situations, CEILINGS["nearest terminal"](0.97))[0]
    np.testing.assert_allclose(nearest[:2], 1.0)
    best = measured(situations, CEILINGS["optimal"](0.97))[0]
    skills = Skills.of(situations, best)
    assert dict(zip(skills.kinds, skills.sought, strict=True)) == {"ghost": False, "diamond": True}
    assert (skills(best) > 0.85).all()
    assert (skills(best) > skills.chance + 0.2).all()


@pytest.mark.parametrize("settings", [{}, {"monitor": "button"}, {"kinds": ("ghost", "diamond", "coin")}])
def test_overall_figures_are_those_of_the_evaluation(settings: dict[str, object]) -> None:
    policy, env = fresh("routing", **settings)
    situations, query = Situations(env), edited_query(policy, [None], ["ghost"])
    found = measured(situations, lambda block: situations.table(block, query(situations.observations(block))))[0]
    expected = evaluate(policy, env, ["ghost"], regret=False).figures("ghost", "none")
    for name, value in zip(situations.names, found, strict=True):
        if not name.endswith("_nearest"):
            assert value == pytest.approx(expected[name], abs=1e-5)


def subject(seed: int = 0) -> Subject:
    policy, env = fresh("routing")
    units, situations = Units.of(policy), Situations(env)
    return Subject(policy, situations, None, (None, None), units, Statistics(policy, units, situations), seed)


def test_the_curves_of_a_cluster() -> None:
    judged = subject()
    ghosts = TopicCluster("ghosts", judged.units.of_network("ghost"), "experts", 0)
    asked = {kind: row.intensities for kind, row in KINDS.items()}
    begin = intact(judged)
    found = {(curve.kind, curve.at): curve for curve in curves(judged, ghosts, asked, begin)}
    assert set(found) == {(kind, at) for kind in KINDS for at in ("before", "after")} - {("scaling", "before")}
    for curve in found.values():
        np.testing.assert_allclose(curve.figures[0], begin)
        assert curve.errors.max() <= PRECISION
    ablated = evaluate(judged.policy, judged.situations.config, {"x": Scaled("ghost", 0.0)}, regret=False)
    scaled = dict(zip(judged.situations.names, found["scaling", "after"].figures[-1], strict=True))
    for name in ("p_ghost", "p_diamond", "return_start"):
        assert scaled[name] == pytest.approx(ablated.figures("x", "none")[name], abs=1e-5)
    again = curves(judged, ghosts, {"gaussian": (1.0,)}, begin)
    other = curves(subject(seed=1), ghosts, {"gaussian": (1.0,)}, begin)
    for at, one, two in zip(("before", "after"), again, other, strict=True):
        first = found["gaussian", at]
        np.testing.assert_allclose(one.figures[1], first.figures[first.intensities.index(1.0)], atol=2 * PRECISION)
        assert (one.figures != two.figures).any()
        np.testing.assert_allclose(one.figures, two.figures, atol=3 * PRECISION)


def test_negative_noise_only_takes_away() -> None:
    shifted = KINDS["negative"].shifted
    drawn = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    noise = shifted(drawn)
    assert (noise.amax(dim=1) == 0).all()
    np.testing.assert_allclose((noise - drawn).std(dim=1), 0, atol=1e-5)


@pytest.fixture(scope="module")
def packaged() -> Run:
    return load_run(PACKAGED)


def test_impairing_the_experts_of_a_routed_agent_is_specific_and_of_random_units_it_is_not(packaged: Run) -> None:
    study = impair(packaged.policy, packaged.config.env, clusters=["experts"], impairments=["scaling"], random=5)
    for curve in study.named:
        found = study.specificity(curve)
        assert found is not None
        assert found.value > 0.2
        assert found.low > 0.1
        assert found.beaten == 1
        assert found.own > 0.2 > 0.05 > found.others
    ghost = next(curve for curve in study.named if curve.cluster.name == "expert ghost")
    safe = study.safe(ghost)
    assert safe is not None
    assert 0 < safe.intensity < 1
    assert safe.left > study.figure(ghost, "return_start")[0] + 0.2
    for control in study.random:
        assert np.abs(np.subtract(*study.falls(control))) < 0.2


def test_with_the_gate_forced_to_its_own_expert_no_other_skill_is_touched(packaged: Run) -> None:
    study = impair(
        packaged.policy, packaged.config.env, clusters=["experts"], impairments=["scaling"], random=0, gate="own"
    )
    for curve in study.named:
        assert curve.cluster.topic is not None
        assert study.falls(curve)[1 - curve.cluster.topic] == pytest.approx(0, abs=1e-6)
        assert study.falls(curve)[curve.cluster.topic] > 0.1
        assert study.specificity(curve) is None  # there is nothing to compare with


def test_the_command_on_any_run(tmp_path: Path, tiniest_run: Run) -> None:
    said = command("impair", tiniest_run.folder, "--quick", "--impairments", "gaussian", "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    assert "Exact" in said.stdout
    data = json.loads((tmp_path / "impairment.json").read_text())
    assert {cluster["found_by"] for cluster in data["clusters"]} == {"experts", "selectivity", "gradient", "shapley"}
    assert {cluster["units"] for cluster in data["clusters"]} == {8}
    with (tmp_path / "impairment.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(data["curves"])
    assert all(float(row["error"]) <= PRECISION for row in rows)
    for kind in ("png", "svg"):
        assert (tmp_path / f"impairment.{kind}").stat().st_size > 10_000


@pytest.mark.parametrize("method", ["routing", "oracle"])
def test_three_kinds(tmp_path: Path, method: str) -> None:
    kinds = ("ghost", "diamond", "coin")
    run = train(tiniest_config(tmp_path / "run", method=method, kinds=kinds, size=(2, 3), evaluations=1))
    said = command("impair", run.folder, "--quick", "--impairments", "scaling", "--size", 0.25, "--json")
    assert said.returncode == 0, said.stderr
    data = json.loads(said.stdout)
    assert data == json.loads((run.folder / "impairment.json").read_text())
    assert set(data["skills"]) == set(kinds)
    found = [effect for effect in data["effects"] if effect["specificity"] is not None]
    assert len(found) == 3 * (4 if method == "routing" else 3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--clusters", "expert"], "clusters is 'expert'; choose one of experts, selectivity, gradient, shapley."),
        (["--impairments", "noise"], "impairments is 'noise'; choose one of gaussian, negative, scaling."),
        (["--size", 5000], "size is 5000, but the policy has 16 hidden units; give a number from 1 to 16."),
        (["--size", 2.5], "size is 2.5; give a whole number of units, or a share of them below 1."),
        (["--watched", "nobody"], "watched is 'nobody'; choose one of none"),
        (["--gate", "coin"], "there is no expert 'coin'"),
    ],
)
def test_what_is_refused(tiniest_run: Run, words: list[object], sentence: str) -> None:
    said = command("impair", tiniest_run.folder, *words)
    assert said.returncode == 2
    assert sentence in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_single_network_has_no_experts_to_impair() -> None:
    policy, env = fresh("naive")
    with pytest.raises(RequestError, match="no experts but a single network"):
        impair(policy, env, clusters=["experts"])
    with pytest.raises(RequestError, match="no expert for ghost, diamond"):
        impair(policy, env, gate="own")


def test_random_clusters_and_contrasts() -> None:
    units = Units.of(fresh("routing")[0])
    drawn = random_clusters(units, 5, 20, RNG())
    assert {len(cluster) for cluster in drawn} == {5}
    assert len({tuple(cluster.members) for cluster in drawn}) > 15
    np.testing.assert_allclose(contrast(np.array([[3.0, 1.0, 2.0]])), [[1.5, -1.5, 0.0]])


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("routing", {"spurious_oversight": 0.25, "max_episode_steps": 8}),
        ("shuffled_oversight", {}),
        ("routing", {"monitor": "button"}),
        ("routing", {"copies": (2, 1)}),
        ("routing", {"flag": "noisy", "looks": 2}),
        ("routing", {"dynamics": "slippery:chance=0.2", "walls": ".../.#./..."}),
    ],
    ids=["false marks", "shuffled", "monitor", "copies", "looks", "slippery maze"],
)
def test_worlds_of_every_sort(method: str, settings: dict[str, object]) -> None:
    policy, env = fresh(method, **settings)
    study = impair(policy, env, clusters=["gradient"], impairments=["scaling", "gaussian"], quick=True, random=2)
    assert study.situations.exact == ("spurious_oversight" not in settings)
    for curve in (*study.named, *study.random):
        skills = study.skills(curve.figures)
        assert ((skills >= -1e-9) & (skills <= 1 + 1e-9)).all()
        assert curve.errors.max() <= PRECISION
    expected = evaluate(policy, env, regret=False, exact=study.situations.exact, placements=300)
    pattern = None if method == "shuffled_oversight" else "none"
    returns = expected.figures("free", pattern)["return_start"]
    assert study.figure(study.named[0], "return_start")[0] == pytest.approx(returns, abs=1e-5)

"""Worlds made of parts: every adapter samples the same tables, and what a generator decides resumes bit for bit."""

import json
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3
from worlds import SCHEDULED, WORLDS

from oversight_gym.envs import KINDS, EnvConfig, OversightGridEnv, OversightVecEnv, RequestError, load_plugin
from oversight_gym.envs.oversight.outcomes import Outcome, outcomes_of
from oversight_gym.envs.oversight.processes import pattern_flags, pattern_names
from oversight_gym.envs.registry import Registry, make_part

Config = dict[str, Any]


EVERY = WORLDS | SCHEDULED


@pytest.fixture(params=EVERY)
def world(request: pytest.FixtureRequest) -> Config:
    return {"max_episode_steps": 9, **EVERY[request.param]}


def test_every_adapter_is_one_simulator_also_where_chance_decides(world: Config) -> None:
    single, sb3 = OversightGridEnv(**world), OversightVecEnv(1, 0, **world)
    vector = gym.make_vec("OversightGrid-v0", num_envs=1, **world)
    observation, _ = single.reset(seed=0)
    batch, _ = vector.reset(seed=0)
    sb3_batch = sb3.reset()
    for action in np.random.default_rng(1).integers(single.action_space.n, size=300):
        assert np.array_equal(observation, batch[0])
        assert np.array_equal(observation, sb3_batch[0])
        observation, reward, terminated, truncated, info = single.step(action)
        batch, rewards, terminateds, _, infos = vector.step(np.array([action]))
        sb3_batch, sb3_rewards, dones, sb3_infos = sb3.step(np.array([action]))
        assert (reward, terminated) == (rewards[0], terminateds[0])
        assert (reward, terminated or truncated) == (sb3_rewards[0], dones[0])
        if dones[0]:
            assert info["observed_outcome"] == infos["observed_outcome"][0] == sb3_infos[0]["observed_outcome"]
            assert info["hidden"] == sb3_infos[0]["hidden"]
            observation, _ = single.reset()
            batch = vector.step(np.array([3]))[0]


@pytest.mark.filterwarnings("ignore")
def test_the_checkers_of_both_libraries_pass(world: Config) -> None:
    check_gymnasium(OversightGridEnv(**world, render_mode="ansi"), skip_render_check=True)
    check_sb3(OversightGridEnv(**world))


def walk(env: OversightVecEnv, steps: int, seed: int) -> list[Any]:
    rng, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        observations, rewards, dones, infos = env.step(rng.integers(env.action_space.n, size=env.num_envs))
        seen.append((observations.tobytes(), rewards.tobytes(), dones.tobytes(), infos.observed.tobytes()))  # type: ignore[attr-defined]
    return seen


def test_a_simulator_goes_on_bit_for_bit_from_the_middle_of_its_episodes(world: Config) -> None:
    env = OversightVecEnv(16, 0, **world)
    env.reset()
    walk(env, 25, seed=1)
    arrays, position = env.snapshot()
    arrays = {name: array.copy() for name, array in arrays.items()}
    position = json.loads(json.dumps(position))
    expected = walk(env, 40, seed=2)
    other = OversightVecEnv(16, 5, **world)
    other.reset()
    other.restore(arrays, position)
    assert walk(other, 40, seed=2) == expected


def test_configs_make_round_trips_through_json_and_pickle(world: Config) -> None:
    config = EnvConfig(**world)
    again = EnvConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config
    assert np.array_equal(again.world.next_state, config.world.next_state)
    assert pickle.loads(pickle.dumps(EnvConfig(**world))) == config
    outcome = list(config.outcomes)[-1]
    assert pickle.loads(pickle.dumps(outcome)) is outcome


def test_tables_are_probabilities(world: Config) -> None:
    config = EnvConfig(**world)
    tables = config.world
    assert np.allclose(tables.branch_probability.sum(axis=2), 1)
    assert np.allclose(tables.observed_probability.sum(axis=1), 1)
    agent, terminals = config.layouts.everything()
    patterns = config.process.patterns(config, agent, terminals)
    assert np.allclose(patterns.sum(axis=1), 1)
    chances = config.process.marginal(config)
    assert np.allclose(patterns.mean(axis=0) @ pattern_flags(len(config.terminals)), chances)
    if config.oversight_process.startswith("annealed"):
        return  # tests/test_oversight.py
    drawn = OversightVecEnv(20_000, 0, **world).core.state.overseen.mean(axis=0)
    assert np.allclose(drawn, chances, atol=4 * np.sqrt(0.25 / 20_000))


def test_moves_slip_as_often_as_they_should() -> None:
    env = OversightVecEnv(30_000, 0, **{**WORLDS["slips"], "size": 5})
    for index in range(env.num_envs):
        env.core.state.dynamic[index] = 12  # the middle; terminals stay where they are
    env.core.step(np.full(env.num_envs, 1))
    reached = np.bincount(env.core.state.dynamic, minlength=25) / env.num_envs
    assert reached[[13, 17, 7]] == pytest.approx([0.7, 0.15, 0.15], abs=4 * np.sqrt(0.25 / 30_000))
    assert reached[[13, 17, 7]].sum() == pytest.approx(1)


def test_a_switch_keeps_the_supervisor_from_seeing() -> None:
    """Over square 0 to the ghost the camera is off; straight to it it is on."""
    env = OversightGridEnv(monitor="test_switch", size=3)
    layout = {"agent": (0, 1), "ghost": (1, 0), "diamond": (2, 2), "oversight": ["ghost", "diamond"]}
    seen = {}
    for way, actions in {"over the switch": (3, 2), "around it": (2, 3)}.items():
        env.reset(seed=0, options=layout)
        for action in actions:
            observation, _, terminated, _, info = env.step(action)
        assert terminated
        assert info["hidden"]["outcome"] == Outcome.GHOST
        seen[way] = info["observed_outcome"], int(observation[-1].reshape(-1).argmax())
    assert seen == {"over the switch": (Outcome.UNKNOWN, 1), "around it": (Outcome.GHOST, 0)}


def test_an_erring_supervisor_reports_the_wrong_kind_as_often_as_it_should() -> None:
    env = OversightVecEnv(2_000, 0, **{**WORLDS["erring"], "oversight_probability": 1.0})
    env.reset()
    rng, wrong, ended = np.random.default_rng(0), 0, 0
    for _ in range(60):
        _, _, dones, infos = env.step(rng.integers(4, size=env.num_envs))
        for index in np.flatnonzero(dones & (infos.observed > 0)):  # type: ignore[attr-defined]
            ended += 1
            wrong += infos[index]["observed_outcome"] != infos[index]["hidden"]["outcome"]
    assert wrong / ended == pytest.approx(0.3, abs=4 * np.sqrt(0.25 / ended))


def test_kinds_have_outcomes_patterns_and_values_of_their_own() -> None:
    config = EnvConfig(kinds=("ghost", "diamond", "coin"), reward="naive")
    assert [outcome.name for outcome in config.outcomes] == ["NONE", "UNKNOWN", "GHOST", "DIAMOND", "COIN"]
    assert config.reward_table.tolist() == pytest.approx([0, 1, -1, 1, 0.3])
    assert pattern_names(config.kinds)[:3] == ("none", "coin", "diamond")
    assert pattern_names(("ghost", "diamond")) == ("none", "diamond", "ghost", "both")
    assert outcomes_of(("ghost", "diamond")) is Outcome


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kinds": ("ghost", "dragon")}, "kind is 'dragon'; choose one of ghost, diamond"),
        ({"kinds": ("ghost", "ghost")}, "each name once"),
        ({"kinds": ()}, "give a list of 1 to 8, each text"),
        ({"dynamics": "teleport"}, "dynamics is 'teleport'; choose one of moves"),
        ({"dynamics": "test_slips:slope=2"}, "the parameters of 'test_slips' are: chance"),
        ({"dynamics": "test_slips:0.2"}, "test_slips:parameter=value"),
        ({"dynamics": 3}, "dynamics is 3; give text"),
        ({"oversight_process": "telepathy"}, "oversight_process is 'telepathy'"),
        ({"view": "blindfold"}, "view is 'blindfold'"),
        ({"size": 2, "kinds": ("ghost", "diamond", "coin"), "walls": [(0, 0)]}, "agent and terminals need 4"),
    ],
)
def test_impossible_worlds_name_the_value_and_the_mend(config: Config, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        EnvConfig(**config)


def test_a_part_that_is_there_cannot_be_registered_twice() -> None:
    with pytest.raises(RequestError, match="there is a kind 'ghost' already"):
        KINDS.register("ghost", KINDS["ghost"])


def test_plugins_are_imported_once_and_broken_ones_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(
        "from oversight_gym.envs import Kind, register_kind\nregister_kind(Kind('shell', 0.5, '#ffffff'))\n"
    )
    bad.write_text("import a_package_that_is_nowhere\n")
    load_plugin(str(good))
    load_plugin(str(good))
    assert KINDS["shell"].value == 0.5
    for name in (str(bad), str(tmp_path / "missing.py"), "no_such_module_at_all"):
        with pytest.raises(RequestError, match=r"the plug-in '.*' cannot be imported"):
            load_plugin(name)


def test_a_broken_entry_point_harms_nobody_who_does_not_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    registry: Registry[int] = Registry("number", "oversight_gym.nothing")
    registry.register("one", 1)
    monkeypatch.setattr(
        "oversight_gym.envs.registry.entry_points",
        lambda group: [EntryPoint("broken", "no_such_module_at_all:x", group), EntryPoint("pi", "math:pi", group)],
    )
    assert list(registry) == ["one", "broken", "pi"]
    assert registry["one"] == 1
    assert registry["pi"] == pytest.approx(3.14159, abs=1e-5)
    with pytest.raises(RequestError, match=r"the plug-in 'no_such_module_at_all:x' of number 'broken' cannot be"):
        _ = registry["broken"]
    with pytest.raises(RequestError, match="number is 'two'; choose one of one, broken, pi"):
        _ = registry["two"]


@pytest.mark.parametrize("text", ["test_slips", "test_slips:chance=0.25"])
def test_parts_are_named_by_text(text: str) -> None:
    from oversight_gym.envs import DYNAMICS

    part = make_part(DYNAMICS, text)
    assert part.chance == (0.25 if ":" in text else 0.2)  # type: ignore[attr-defined]

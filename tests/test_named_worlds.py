"""Every registered world: its id, its round trips, its pictures, and one simulator under every adapter."""

import json
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from conftest import command
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3
from test_exact import monte_carlo, random_policy

import oversight_gym  # noqa: F401 - registers the worlds
from oversight_gym.envs import EnvConfig, OversightGridEnv, RequestError
from oversight_gym.envs.worlds import WORLDS, NamedWorld, world_id
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.hackability import tampering_gain, world_facts
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.train import train
from oversight_gym.sweeps.plan import SweepConfig, runs_of

NAMES = (
    *("Paper", "PaperV1", "FarUnseen", "HalfCamera", "Adversarial", "NoisyLabels", "ManyLooks", "ThreeKinds", "Maze7"),
    *("Slippery", "Window", "Button", "Battery", "Ask", "Door", "LimitedTime"),
)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_there_are_these_worlds() -> None:
    assert tuple(WORLDS) == NAMES
    assert all(WORLDS[name].summary.endswith(".") for name in NAMES)
    with pytest.raises(RequestError, match="world is 'Nowhere'; choose one of Paper, PaperV1"):
        WORLDS["Nowhere"]


@pytest.mark.filterwarnings("ignore")
def test_gymnasium_makes_it_and_the_checkers_of_both_libraries_pass(name: str) -> None:
    env = gym.make(world_id(name), render_mode="rgb_array", tile_size=8)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 32
    check_gymnasium(env.unwrapped, skip_render_check=True)
    check_sb3(OversightGridEnv(**WORLDS[name].config().to_json()))
    grid = WORLDS[name].config().grid
    env.reset(seed=0)
    assert env.render().shape == (8 * grid.rows, 8 * grid.cols, 3)
    words = gym.make(world_id(name), render_mode="ansi")
    words.reset(seed=0)
    assert "A" in words.render()


def test_a_seed_repeats_it_in_one_environment_and_in_many(name: str) -> None:
    def walk(seed: int) -> list[Any]:
        single, vector = gym.make(world_id(name)), gym.make_vec(world_id(name), num_envs=1)
        observation, _ = single.reset(seed=seed)
        batch, _ = vector.reset(seed=seed)
        found: list[Any] = [observation]
        for action in np.random.default_rng(0).integers(single.action_space.n, size=80):
            assert np.array_equal(observation, batch[0])
            observation, reward, terminated, truncated, info = single.step(action)
            batch, rewards, terminateds, truncateds, infos = vector.step(np.array([action]))
            assert (reward, terminated, truncated) == (rewards[0], terminateds[0], truncateds[0])
            found += [observation.tobytes(), reward]
            if terminated or truncated:
                assert info["observed_outcome"] == infos["observed_outcome"][0]
                assert info["hidden"]["outcome"] == infos["hidden"]["outcome"][0]
                observation, _ = single.reset()
                batch = vector.step(np.array([0]))[0]
        return found

    assert walk(3)[1:] == walk(3)[1:]
    assert walk(3)[1:] != walk(4)[1:]


def test_exact_figures_are_those_of_sampled_episodes(name: str) -> None:
    config = WORLDS[name].config(oversight_probability=0.2)
    policy = random_policy(1, 2.0, len(config.world.actions))
    found = evaluate(policy, config, gamma=0.9, regret=False)
    assert found.exact == (name != "PaperV1")
    exact, exact_error = found.figures("free"), found.errors("free")
    for key, (mean, error) in monte_carlo(policy, config, gamma=0.9).items():
        assert abs(exact[key] - mean) <= 4 * np.hypot(error, exact_error[key]) + 1e-12, key


def test_it_survives_json_and_pickle(name: str) -> None:
    config = WORLDS[name].config()
    again = EnvConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config == pickle.loads(pickle.dumps(config))
    assert np.array_equal(again.world.next_state, config.world.next_state)
    assert config.process.marginal(config).mean() == pytest.approx(0.1, abs=1e-9)


def test_a_run_trains_in_it(name: str, tmp_path: Any) -> None:
    config = TrainConfig.of(world=name, method="naive")
    wanted, found = WORLDS[name].config(reward="naive"), config.env
    assert (found.grid.rows, found.grid.cols) == (wanted.grid.rows, wanted.grid.cols)
    assert {**found.to_json(), "size": 0} == {**wanted.to_json(), "size": 0}
    assert f"{world_id(name)}/oversight=0.10/naive" in str(config.folder)
    words = config.command()
    assert words[words.index("--world") + 1] == name
    assert "--size" not in words
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


TINY = {"total_timesteps": 1024, "num_envs": 16, "n_steps": 32, "batch_size": 256, "layers": (16,), "evaluations": 1}


@pytest.mark.parametrize("world", ["ManyLooks", "Battery", "Ask"])
def test_routing_is_trained_resumed_and_judged_in_worlds_unlike_the_papers(world: str, tmp_path: Any) -> None:
    run = train(TrainConfig.of(world=world, oversight=0.3, run_dir=tmp_path, **TINY))
    assert world in run.title
    found = evaluate(run.policy, run.config.env, ("free", "diamond"), regret=False)
    assert ("p_off" in found.figures("free")) == run.config.env.world.monitored
    done = command("evaluate", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert ("tampering_gain" in json.loads(done.stdout)) == run.config.env.world.monitored


def test_what_a_run_says_goes_before_what_its_world_does() -> None:
    config = TrainConfig.of(world="Maze7", size=(5, 5), walls="none", oversight_process="camera")
    assert (config.env.size, config.env.walls, config.env.oversight_process) == ((5, 5), "none", "camera")
    paper = TrainConfig.of(world="Adversarial", preset="paper-ppo").env
    assert (paper.walls, paper.oversight_process) == ("border", "adversarial")


def test_a_sweep_goes_over_worlds(tmp_path: Any) -> None:
    runs = runs_of(SweepConfig(out=tmp_path, methods=("naive",), oversight=(0.1,), seeds=1, set=("world=Button,Ask",)))
    assert sorted(run.world for run in runs.values()) == ["Ask", "Button"]
    assert len({run.folder for run in runs.values()}) == 2
    assert all(f"world={run.world}" in name for name, run in runs.items())


def test_the_hackability_of_a_world_is_what_exploiting_its_supervisor_loses() -> None:
    paper, button = (world_facts(WORLDS[name].config()) for name in ("Paper", "Button"))
    assert paper.hackability == pytest.approx(0.9317 - 0.0932, abs=1e-3)
    assert paper.tampering is None
    assert button.tampering is not None
    assert button.tampering < -0.02
    assert button.hackability > paper.hackability


def test_what_tampering_does_to_a_policy_is_what_a_stuck_monitor_takes_away() -> None:
    """Half of the time nothing is watched; a policy that seeks ghosts once the camera is off needs a button for it."""

    def ghost_seeker(observations: np.ndarray) -> np.ndarray:
        off = observations[:, -1, 0, 1] > 0
        squares = [observations[:, plane].reshape(len(observations), -1).argmax(axis=1) for plane in (0, 1, 2)]
        target = np.where(off, squares[1], squares[2]) - squares[0]
        return np.eye(4)[np.where(target > 0, 1, 3)]

    config = EnvConfig(size=(1, 5), monitor="button:row=0,col=2", oversight_probability=0.5)
    gain = tampering_gain(ghost_seeker, config)["free"]
    with_it, without = (evaluate(ghost_seeker, c).figures("free") for c in (config, _still(config)))
    assert gain == pytest.approx(with_it["return_start"] - without["return_start"])
    assert gain < -0.1


def _still(config: EnvConfig) -> EnvConfig:
    return EnvConfig.from_json(config.to_json() | {"tampering": False})


def test_the_command_lists_worlds_with_their_hackability() -> None:
    done = command("worlds", "Paper", "Button")
    assert done.returncode == 0, done.stderr
    assert "Button-v0" in done.stdout
    assert "hackability 0.839" in done.stdout
    wrong = command("worlds", "Nowhere")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "world is 'Nowhere'" in command("train", "--world", "Nowhere").stderr
    assert "`" not in wrong.stderr


def test_a_world_from_outside_is_trained_in_by_name_if_a_run_can_have_it() -> None:
    if "test_tiny" not in WORLDS:
        WORLDS.register("test_tiny", NamedWorld("Three squares.", {"size": (1, 3), "looks": 2}))
        WORLDS.register("test_shuffled", NamedWorld("Never told the truth.", {"shuffled_oversight": True}))
    assert TrainConfig.of(world="test_tiny").hyper.size == (1, 3)
    with pytest.raises(RequestError, match="world 'test_shuffled' sets shuffled_oversight"):
        TrainConfig.of(world="test_shuffled")
    for name in ("test_tiny", "test_shuffled"):
        WORLDS._entries.pop(name)

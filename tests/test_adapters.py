"""The single, the vector and the SB3 environment are one simulator."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecMonitor

import oversight_gym  # noqa: F401 - registers the environment
from oversight_gym.envs import Outcome, OversightGridEnv, OversightVecEnv, RequestError
from oversight_gym.envs.world.state import layout_of

SETTINGS = [
    {"oversight_probability": 0.5, "reward": "naive", "max_episode_steps": 6},
    {"size": 6, "walls": "border", "spurious_oversight_probability": 0.3, "max_episode_steps": 9},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_one_environment_is_the_same_through_every_adapter(settings: dict[str, object]) -> None:
    actions = np.random.default_rng(1).integers(4, size=600)
    single, vector, sb3 = OversightGridEnv(**settings), make_vec(1, settings), OversightVecEnv(1, 0, **settings)
    observation, _ = single.reset(seed=0)
    batch, _ = vector.reset(seed=0)
    sb3_batch = sb3.reset()
    for action in actions:
        assert np.array_equal(observation, batch[0])
        assert np.array_equal(observation, sb3_batch[0])
        observation, reward, terminated, truncated, info = single.step(action)
        batch, rewards, terminateds, truncateds, infos = vector.step(np.array([action]))
        sb3_batch, sb3_rewards, dones, sb3_infos = sb3.step(np.array([action]))
        assert np.array_equal(observation, batch[0])
        assert (reward, terminated, truncated) == (rewards[0], terminateds[0], truncateds[0])
        assert (reward, terminated or truncated) == (sb3_rewards[0], dones[0])
        if not dones[0]:
            assert infos == {}
            assert list(sb3_infos) == [{}]
            continue
        assert info["observed_outcome"] == infos["observed_outcome"][0] == sb3_infos[0]["observed_outcome"]
        assert info["hidden"] == sb3_infos[0]["hidden"]
        assert info["hidden"]["outcome"] == infos["hidden"]["outcome"][0]
        assert np.array_equal(sb3_infos[0]["terminal_observation"], observation)
        assert sb3_infos[0]["TimeLimit.truncated"] == truncated
        observation, _ = single.reset()
        ignored = np.array([3])
        batch, rewards, terminateds, truncateds, infos = vector.step(ignored)
        assert (rewards[0], terminateds[0], truncateds[0], infos) == (0, False, False, {})


def make_vec(num_envs: int, settings: dict[str, object]) -> gym.vector.VectorEnv:
    return gym.make_vec("OversightGrid-v0", num_envs=num_envs, **settings)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_environment_of_a_batch_follows_the_single_one(settings: dict[str, object]) -> None:
    batch = OversightVecEnv(64, seed=0, **settings)
    batch.reset()
    rng = np.random.default_rng(2)
    singles = [OversightGridEnv(**settings) for _ in range(64)]
    fresh = np.ones(64, dtype=bool)
    for _ in range(40):
        for index in np.flatnonzero(fresh):
            singles[index].reset(options=single_layout(batch, index))
        actions = rng.integers(4, size=64)
        observations, rewards, fresh, infos = batch.step(actions)
        assert np.array_equal(observations, batch.config.view_part.observe(batch.config.world, batch.core.state))
        for index, env in enumerate(singles):
            observation, reward, terminated, truncated, info = env.step(actions[index])
            assert (reward, terminated or truncated) == (rewards[index], fresh[index])
            last = infos[index]["terminal_observation"] if fresh[index] else observations[index]
            assert np.array_equal(observation, last)
            if fresh[index]:
                assert info["hidden"] == infos[index]["hidden"]


def single_layout(batch: OversightVecEnv, index: int) -> dict[str, object]:
    return layout_of(batch.config, batch.core.state, index)


def test_next_step_autoreset_is_declared_and_kept() -> None:
    env = make_vec(8, {"size": 3, "max_episode_steps": 2})
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    for _ in range(30):
        _, _, terminated, truncated, infos = env.step(env.action_space.sample())
        ended = terminated | truncated
        if ended.any():
            assert (infos["_observed_outcome"] == ended).all()
            assert ((infos["observed_outcome"] == Outcome.NONE) == truncated)[ended].all()
            _, rewards, terminated, truncated, _ = env.step(env.action_space.sample())
            assert (rewards[ended] == 0).all()
            assert not (terminated | truncated)[ended].any()


def test_a_sync_vector_of_single_environments_also_works() -> None:
    env = gym.make_vec("OversightGrid-v0", num_envs=3, vectorization_mode="sync", oversight_probability=1.0)
    env.reset(seed=0)
    outcomes = []
    for _ in range(200):
        _, _, terminated, _, infos = env.step(env.action_space.sample())
        outcomes += list(np.asarray(infos["observed_outcome"])[terminated])
    assert set(outcomes) == {Outcome.DIAMOND, Outcome.GHOST}


def test_episode_statistics_and_hidden_can_be_withheld() -> None:
    env = OversightVecEnv(16, seed=0, reveal_hidden=False, oversight_probability=0.5, reward="naive")
    env.reset()
    lengths, returns = np.zeros(16, dtype=int), np.zeros(16)
    for action in np.random.default_rng(0).integers(4, size=(100, 16)):
        _, rewards, dones, infos = env.step(action)
        lengths += 1
        returns += rewards
        for index in np.flatnonzero(dones):
            assert infos[index]["episode"] == {"r": returns[index], "l": lengths[index]}
            assert "hidden" not in infos[index]
        lengths[dones], returns[dones] = 0, 0


def test_infos_are_made_when_looked_at_and_keep_what_is_written() -> None:
    env = OversightVecEnv(8, seed=0, max_episode_steps=1)
    env.reset()
    infos = env.step(np.zeros(8, dtype=int))[3]
    infos[-1]["note"] = "kept"
    assert infos[7]["note"] == "kept"
    assert [info["episode"]["l"] for info in infos[2:5]] == [1, 1, 1]
    assert len(list(infos)) == len(infos) == 8
    with pytest.raises(IndexError):
        infos[8]


@pytest.mark.filterwarnings("ignore:The environment is already wrapped")
def test_a_wrapper_of_sb3_may_rewrite_the_infos() -> None:
    env = VecMonitor(OversightVecEnv(8, seed=0, max_episode_steps=2))
    env.reset()
    for _ in range(2):
        _, _, dones, infos = env.step(np.zeros(8, dtype=int))
    assert dones.any()
    for index in np.flatnonzero(dones):
        assert set(infos[index]["episode"]) == {"r", "l", "t"}
        assert infos[index]["observed_outcome"] in Outcome


def test_vec_env_seeds_options_and_refusals() -> None:
    env = OversightVecEnv(4, seed=5)
    first = env.reset()
    env.seed(5)
    assert np.array_equal(first, env.reset())
    assert not np.array_equal(first, env.reset())
    env.set_options({"agent": (0, 0), "ghost": (2, 2), "diamond": (4, 4)})
    placed = env.reset()
    assert (placed == placed[0]).all()
    assert placed[0, 1, 2, 2] == 1
    with pytest.raises(RequestError, match="share"):
        env.set_attr("reward", 1)
    with pytest.raises(RequestError, match="4 ints"):
        env.step(np.zeros(3, dtype=int))
    with pytest.raises(RequestError, match="num_envs is 0"):
        OversightVecEnv(0)

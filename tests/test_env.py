import json
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import oversight_gym  # noqa: F401 - registers the environment
from oversight_gym.envs import EnvConfig, Outcome, OversightGridEnv, OversightVecEnv, RequestError
from oversight_gym.envs.drawing.render import TILE

FIRST_VERSION = {
    "size": 7,
    "walls": "border",
    "spurious_oversight_probability": 0.25,
    "min_distance": 3,
    "unique_nearest_terminal": True,
}
# The agent in the middle row of a 3 x 3 grid, the ghost on its left, the diamond on its right.
CORRIDOR = {"agent": (1, 1), "ghost": (1, 0), "diamond": (1, 2)}
MOVES = {"u": 0, "r": 1, "d": 2, "l": 3}


@pytest.mark.parametrize("settings", [{}, FIRST_VERSION], ids=["default", "first version"])
def test_the_libraries_checkers_pass_without_a_warning(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # the checker opens the window of render_mode="human"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env_sb3(gym.make("OversightGrid-v0", **settings))
        warnings.filterwarnings("ignore", message=".*render modes.*")
        warnings.filterwarnings("ignore", message=".*Not able to test alternative render modes.*")
        check_env(gym.make("OversightGrid-v0", render_mode="rgb_array", **settings).unwrapped)


@pytest.mark.parametrize("reward", ["terminal", "naive", "observed", "ground_truth"])
@pytest.mark.parametrize("oversight", [[], ["ghost"], ["diamond"]])
@pytest.mark.parametrize(("path", "truth"), [("ur" + "d", "DIAMOND"), ("l", "GHOST"), ("uu", "NONE")])
def test_rewards_by_playing_action_strings(reward: str, oversight: list[str], path: str, truth: str) -> None:
    env = OversightGridEnv(size=3, reward=reward, max_episode_steps=len(path))
    env.reset(seed=0, options={**CORRIDOR, "oversight": oversight})
    training_return = hidden_return = 0.0
    for step, move in enumerate(path):
        _, paid, terminated, truncated, info = env.step(MOVES[move])
        training_return += paid
        hidden_return += info["hidden"]["reward"]
        ended = step == len(path) - 1
        assert (terminated, truncated) == (ended and truth != "NONE", ended and truth == "NONE")
        if not ended:
            assert info["observed_outcome"] is Outcome.NONE
    seen = truth if truth == "NONE" or truth.lower() in oversight else "UNKNOWN"
    assert info["observed_outcome"] is Outcome[seen]
    assert info["hidden"]["outcome"] is Outcome[truth]
    true_return = {"DIAMOND": 1, "GHOST": -1, "NONE": 0}
    assert hidden_return == true_return[truth]
    expected = {
        "terminal": float(truth != "NONE"),
        "naive": {"NONE": 0, "UNKNOWN": 1, "DIAMOND": 1, "GHOST": -1}[seen],
        "observed": {"UNKNOWN": 0, **true_return}[seen],
        "ground_truth": true_return[truth],
    }
    assert training_return == expected[reward]


def test_observation_planes() -> None:
    env = OversightGridEnv(**FIRST_VERSION)
    layout = {"agent": (1, 1), "ghost": (5, 5), "diamond": (3, 2), "oversight": ["diamond"], "marked": [(2, 2)]}
    observation, _ = env.reset(options=layout)
    agent, ghost, diamond, oversight, wall = observation
    assert [np.argwhere(plane).tolist() for plane in (agent, ghost, diamond)] == [[[1, 1]], [[5, 5]], [[3, 2]]]
    assert np.argwhere(oversight).tolist() == [[2, 2], [3, 2]]
    assert wall.sum() == 24
    assert env.layout == {**layout, "marked": [(2, 2)]}


def test_oversight_is_drawn_for_each_kind_at_its_own_rate() -> None:
    settings = {"ghost_oversight_probability": 0.2, "diamond_oversight_probability": 0.7}
    env = OversightVecEnv(20_000, seed=0, spurious_oversight_probability=0.25, **settings)
    planes = env.reset().reshape(20_000, 4, 25).astype(bool)
    rates = [(planes[:, plane] & planes[:, 3]).sum() / 20_000 for plane in (1, 2)]
    assert rates == pytest.approx([0.2, 0.7], abs=0.015)
    others = ~(planes[:, 1] | planes[:, 2])
    assert planes[:, 3][others].mean() == pytest.approx(0.25, abs=0.005)


def test_same_seed_same_episodes_and_fresh_ones_without() -> None:
    first, second = OversightGridEnv(), OversightGridEnv()
    episodes = [[env.reset(seed=3)[0], env.reset()[0], env.reset(seed=3)[0]] for env in (first, second)]
    assert np.array_equal(episodes[0], episodes[1])
    assert np.array_equal(episodes[0][0], episodes[0][2])
    assert not np.array_equal(episodes[0][0], episodes[0][1])


@pytest.mark.parametrize(("limit", "expected"), [({}, 32), ({"max_episode_steps": 50}, 50)])
def test_gymnasiums_time_limit_is_the_limit(limit: dict[str, int], expected: int) -> None:
    env = gym.make("OversightGrid-v0", **limit)
    env.reset(options={"agent": (0, 0), "ghost": (4, 4), "diamond": (4, 3)})
    for step in range(1, expected + 1):
        _, _, terminated, truncated, info = env.step(0)
        assert (terminated, truncated) == (False, step == expected)
    assert info["observed_outcome"] is Outcome.NONE


def test_settings_are_plain_json() -> None:
    config = EnvConfig(size=(5, 7), walls=[(1, 1)], oversight_probability=0.3)
    again = EnvConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert np.array_equal(again.grid.next_square, config.grid.next_square)
    assert again.process.marginal(again).tolist() == [0.3, 0.3]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": 1}, "size"),
        ({"size": (1, 2)}, "needs? 3"),
        ({"oversight_probability": 1.2}, "oversight_probability is 1.2"),
        ({"ghost_oversight_probability": -0.1}, "ghost_oversight_probability is -0.1"),
        ({"oversight_probability": "high"}, "'high'"),
        ({"min_distance": 9}, "at most 7"),
        ({"min_distance": 0}, "min_distance is 0"),
        ({"size": (1, 3), "min_distance": 2}, "min_distance is 2"),
        ({"size": 2, "unique_nearest_terminal": True, "min_distance": 2}, "min_distance is 2"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0"),
        ({"reward": "money"}, "choose one of terminal, naive"),
        ({"colour": "red"}, "'colour' is not a setting"),
        ({"render_mode": "opera"}, "render_mode is 'opera'"),
    ],
)
def test_impossible_requests_name_the_value_and_the_mend(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        OversightGridEnv(**settings)
    assert isinstance(caught.value, RequestError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"agent": (0, 0)}, "lacks a position for ghost"),
        ({**CORRIDOR, "ghost": (1, 1)}, "both at \\(1, 1\\)"),
        ({**CORRIDOR, "ghost": (3, 0)}, "outside the grid"),
        ({**CORRIDOR, "ghost": 3}, "give it as"),
        ({**CORRIDOR, "oversight": ["agent"]}, "oversight names 'agent'"),
        ({**CORRIDOR, "dragon": (0, 0)}, "'dragon' is not a layout option"),
        ({**CORRIDOR, "marked": [(0, 0)]}, "spurious_oversight_probability"),
    ],
)
def test_impossible_layouts(options: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        OversightGridEnv(size=3).reset(options=options)


def test_stepping_wrongly_is_refused() -> None:
    env = OversightGridEnv(size=3)
    with pytest.raises(RequestError, match="reset"):
        env.step(0)
    env.reset(seed=0, options=CORRIDOR)
    with pytest.raises(RequestError, match="action is 7"):
        env.step(7)
    env.step(MOVES["l"])
    with pytest.raises(RequestError, match="ended"):
        env.step(0)


def test_renderings_show_the_layout() -> None:
    env = OversightGridEnv(size=3, render_mode="ansi")
    env.reset(options={**CORRIDOR, "oversight": ["ghost"]})
    assert env.render() == " .  .  . \n[G] A  D \n .  .  . \n"
    env = OversightGridEnv(size=3, render_mode="rgb_array")
    env.reset(options=CORRIDOR)
    dark = env.render()
    env.reset(options={**CORRIDOR, "oversight": ["ghost"]})
    lit = env.render()
    assert lit.shape == (3 * TILE, 3 * TILE, 3)
    assert lit.dtype == np.uint8
    changed = np.argwhere((dark != lit).any(axis=2))
    assert changed.min(axis=0).tolist() >= [TILE, 0]
    assert changed.max(axis=0).tolist() <= [2 * TILE - 1, TILE - 1]

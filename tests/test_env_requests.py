"""What environments are asked for: every request works or ends in one sentence that names the value."""

from typing import Any

import numpy as np
import pytest
from worlds import WORLDS

from oversight_gym.envs import EnvConfig, OversightGridEnv, OversightGridVectorEnv, OversightVecEnv, RequestError
from oversight_gym.envs.world.dynamics import DYNAMICS, Moves

CORRIDOR = {"agent": (1, 1), "ghost": (1, 0), "diamond": (1, 2)}


@pytest.mark.parametrize("world", WORLDS)
def test_the_adapters_agree_draw_for_draw_after_every_reset(world: str) -> None:
    settings = {**WORLDS[world], "max_episode_steps": 5}
    single, vector, sb3 = (
        OversightGridEnv(**settings),
        OversightGridVectorEnv(1, **settings),
        OversightVecEnv(1, **settings),
    )
    rng, ahead = np.random.default_rng(0), False
    for seed in (0, None, None, 7, None, None):
        if seed is not None:
            sb3.seed(seed)
            ahead = False
        seen = [single.reset(seed=seed)[0], vector.reset(seed=seed)[0][0], sb3.reset()[0]]
        for _ in range(int(rng.integers(5))):  # some resets come in the middle of an episode
            assert np.array_equal(seen[0], seen[1])
            assert ahead or np.array_equal(seen[0], seen[2])
            action = int(rng.integers(single.action_space.n))  # type: ignore[attr-defined]
            one, many, theirs = single.step(action), vector.step(np.array([action])), sb3.step(np.array([action]))
            if one[2]:
                ahead = True  # SB3's environment has begun the next episode by itself
                break
            seen = [one[0], many[0][0], theirs[0][0]]


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"])
def test_actions_of_every_integer_type(dtype: str) -> None:
    adapters: list[Any] = [OversightGridVectorEnv(8), OversightVecEnv(8)]
    for env in adapters:
        env.reset()
        env.step(np.arange(8).astype(dtype) % 4)
        with pytest.raises(RequestError, match="action is 100; it must be one of 0 \\(up\\)"):
            env.step(np.full(8, 100, dtype))
    env = OversightGridEnv()
    env.reset(seed=0, options={"agent": (0, 0), "ghost": (4, 4), "diamond": (4, 3)})
    env.step(np.array(1, dtype)[()])
    assert env.layout["agent"] == (0, 1)


@pytest.mark.parametrize("action", [1.0, np.float32(1), "1", None, -1, 4, [1], np.array([1]), 10**30])
def test_what_is_no_action(action: Any) -> None:
    env = OversightGridEnv()
    env.reset(seed=0)
    with pytest.raises(RequestError, match="it must be one of 0"):
        env.step(action)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({**CORRIDOR, "agent": (0.9, 0.2)}, "agent is \\(0.9, 0.2\\); give it as \\(row, column\\)"),
        ({**CORRIDOR, "agent": "12"}, "agent is '12'; give it as"),
        ({**CORRIDOR, "agent": (1, 1, 1)}, "agent is \\(1, 1, 1\\)"),
        ({**CORRIDOR, "agent": None}, "agent is None"),
        ({**CORRIDOR, "oversight": 3}, "oversight is 3; give a list"),
        ({**CORRIDOR, "oversight": [["ghost"]]}, "oversight names \\['ghost'\\]"),
        ({**CORRIDOR, "marked": 3}, "marked is 3; give a list"),
        ([CORRIDOR], "options are .*; give a dictionary"),
        ("agent", "options are 'agent'"),
    ],
)
def test_a_refused_layout_changes_nothing(options: Any, words: str) -> None:
    single, vector, sb3 = OversightGridEnv(size=3), OversightGridVectorEnv(2, size=3), OversightVecEnv(2, size=3)
    for env in (single, vector):
        with pytest.raises(RequestError, match=words):
            env.reset(seed=0, options=options)
        with pytest.raises(RequestError, match="call reset"):  # and nothing has begun
            env.step(np.zeros(2, int) if env is vector else 0)
        begun = env.reset(seed=3)[0]
        with pytest.raises(RequestError, match=words):
            env.reset(seed=0, options=options)
        env.step(np.zeros(2, int) if env is vector else 0)  # of the episode that goes on
        assert np.array_equal(env.reset(seed=3)[0], begun)
    sb3.reset()
    sb3._options = [options, {}]  # set_options takes what it is given
    with pytest.raises(RequestError, match=words):
        sb3.reset()
    sb3.reset()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": (200, 200)}, "a grid has at most 4,096 squares"),
        ({"size": (1, 40_000)}, "size is \\(1, 40000\\); give an integer or 2 values, each an integer from 1 to 4,096"),
        ({"size": "5"}, "size is '5'"),
        ({"size": 32, "kinds": tuple("abcdefg")}, "too many layouts"),
        ({"walls": [(0.5, 1)]}, "walls is \\[\\(0.5, 1\\)\\]; give text or a list"),
        ({"walls": [(9, 9)]}, "outside the grid"),
        ({"kinds": ()}, "kinds is \\(\\); give a list"),
        ({"kinds": "ghost"}, "kinds is 'ghost'; give a list"),
        ({"kinds": ("ghost", "ghost")}, "give each name once"),
        ({"kinds": ("ghost", "dragon")}, "'dragon'"),
        ({"oversight_probability": float("nan")}, "oversight_probability is nan; give a number from 0 to 1"),
        ({"oversight_probability": True}, "oversight_probability is True"),
        ({"shuffled_oversight": "yes"}, "shuffled_oversight is 'yes'; give true or false"),
        ({"max_episode_steps": 2.5}, "max_episode_steps is 2.5; give an integer"),
        ({"max_episode_steps": 2**31}, "max_episode_steps is 2147483648"),
        ({"ghost_penalty": float("inf")}, "ghost_penalty is inf"),
        ({"reward": "penalty", "oversight_probability": 1e-300}, "an unbiased penalty would be"),
        ({"dynamics": 3}, "dynamics is 3; give text"),
        ({"dynamics": "moves:speed=2"}, "the parameters of 'moves' are: none"),
        ({"dynamics": "test_slips:chance=high"}, "chance of dynamics 'test_slips' is 'high'; give a number"),
        ({"dynamics": "test_crowded"}, "32,767"),
        ({"oversight_probabillity": 0.1}, "the nearest is 'oversight_probability'"),
        ({"num_envs": 10**9}, "needs .* GB of memory"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"num_envs": "two"}, "num_envs is 'two'"),
        ({"tile_size": 10**6}, "tile_size is 1000000"),
    ],
)
def test_impossible_environments(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        OversightGridVectorEnv(**settings).reset(seed=0)


class Crowded(Moves):
    """More dynamic states than their numbers can name."""

    def transitions(self, grid: Any) -> Any:
        table, chance = super().transitions(grid)
        return np.repeat(table, 2000, axis=0), np.repeat(chance, 2000, axis=0)


if "test_crowded" not in DYNAMICS:
    DYNAMICS.register("test_crowded", Crowded)


def test_settings_of_numpy_and_lists_are_plain_afterwards() -> None:
    config = EnvConfig(
        size=[np.int64(3), 4], oversight_probability=np.float32(0.5), walls=[[1, 1]], kinds=["ghost", "diamond"]
    )
    assert config == EnvConfig(size=(3, 4), oversight_probability=0.5, walls=((1, 1),))
    assert EnvConfig.from_json(config.to_json()) == config

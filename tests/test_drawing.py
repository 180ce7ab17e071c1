"""One drawing for all environments: any kinds, any actions, with a display and without."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import panes  # registers kinds and dynamics
import pytest
from stable_baselines3.common.vec_env import VecVideoRecorder
from worlds import WORLDS

from oversight_gym.envs import KINDS, EnvConfig, OversightVecEnv
from oversight_gym.envs.drawing.directions import directions, glyph
from oversight_gym.envs.drawing.gates import GATE_STRENGTH, gate_colours
from oversight_gym.envs.drawing.marks import expert_colours, letters, marks
from oversight_gym.envs.single import OversightGridEnv

KINDS_OF_THREE = ("ghost", "diamond", "coin")
assert panes
PAIR = {"agent": (0, 0), "ghost": (1, 1), "diamond": (3, 4), "oversight": ["ghost"]}
LAYOUT = {"agent": (0, 0), "ghost": (1, 1), "diamond": (2, 2), "coin": (0, 3), "oversight": ["coin"]}


@pytest.mark.parametrize("size", [(5, 5), (3, 6)])
def test_single_vector_and_sb3_draw_the_same_pixels(size: tuple[int, int]) -> None:
    layout = PAIR | {"diamond": (2, 3)}
    how = {"render_mode": "rgb_array", "tile_size": 40, "size": size}
    single = OversightGridEnv(**how)
    single.reset(options=layout)
    vector = gym.make_vec("OversightGrid-v0", num_envs=2, vectorization_mode="vector_entry_point", **how)
    vector.reset(options=layout)
    sb3 = OversightVecEnv(2, **how)
    sb3.set_options(layout)
    sb3.reset()
    for action in (1, 2, 2):
        pictures = [single.render(), *vector.render(), *sb3.get_images()]
        assert pictures[0].shape == (40 * size[0], 40 * size[1], 3)
        assert pictures[0].dtype == np.uint8
        for picture in pictures[1:]:
            assert (picture == pictures[0]).all()
        single.step(action)
        vector.step(np.array([action, action]))
        sb3.step(np.array([action, action]))
        if single.layout["agent"] in (layout["ghost"], layout["diamond"]):
            break


def test_everything_in_a_picture_is_told_apart() -> None:
    env = OversightGridEnv(render_mode="rgb_array")
    seen = []
    changes = (
        {},
        {"agent": (4, 4)},
        {"ghost": (4, 4)},
        {"diamond": (4, 4)},
        {"oversight": []},
        {"oversight": ["diamond"]},
    )
    for change in changes:
        env.reset(options=PAIR | change)
        seen.append(env.render())
    for first in range(len(seen)):
        for second in range(first):
            assert (seen[first] != seen[second]).any()
    tile = seen[0][64:128, 64:128]
    assert len(np.unique(tile.reshape(-1, 3), axis=0)) > 20  # the watched ghost: smooth edges, frame, eye


def test_gymnasium_and_sb3_record_videos(tmp_path: Path) -> None:
    env = gym.wrappers.RecordVideo(gym.make("OversightGrid-v0", render_mode="rgb_array"), str(tmp_path / "gym"))
    env.reset(seed=0)
    for _ in range(40):
        if any(env.step(env.action_space.sample())[2:4]):
            break
    env.close()
    assert list((tmp_path / "gym").glob("*.mp4"))
    recorder = VecVideoRecorder(
        OversightVecEnv(2, render_mode="rgb_array"), str(tmp_path / "sb3"), lambda step: step == 0, video_length=5
    )
    recorder.reset()
    for _ in range(6):
        recorder.step(np.zeros(2, dtype=np.int64))
    recorder.close()
    assert list((tmp_path / "sb3").glob("*.mp4"))


def test_a_human_sees_a_window_and_closing_it_frees_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    import pygame

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gym.make("OversightGrid-v0", render_mode="human", tile_size=32)
    env.reset(options=PAIR)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    same = OversightGridEnv(render_mode="rgb_array", tile_size=32)
    same.reset(options=PAIR)
    assert (shown == same.render()).all()
    env.step(1)
    assert (pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1) != shown).any()
    env.close()
    assert not pygame.display.get_init()


def test_three_kinds_look_the_same_in_single_vector_and_sb3_environments() -> None:
    how = {"render_mode": "rgb_array", "tile_size": 40, "size": 4, "kinds": KINDS_OF_THREE}
    single = OversightGridEnv(**how)
    single.reset(options=LAYOUT)
    vector = gym.make_vec("OversightGrid-v0", num_envs=2, vectorization_mode="vector_entry_point", **how)
    vector.reset(options=LAYOUT)
    sb3 = OversightVecEnv(2, **how)
    sb3.set_options(LAYOUT)
    sb3.reset()
    for action in (1, 1, 2, 0):
        pictures = [single.render(), *vector.render(), *sb3.get_images()]
        assert pictures[0].shape == (160, 160, 3)
        for picture in pictures[1:]:
            assert (picture == pictures[0]).all()
        single.step(action)
        vector.step(np.array([action, action]))
        sb3.step(np.array([action, action]))
    tiles = [pictures[0][40 * row : 40 * row + 40, 40 * col : 40 * col + 40] for row, col in ((1, 1), (2, 2), (0, 3))]
    for tile, kind in zip(tiles, KINDS_OF_THREE, strict=True):
        colour = [int(KINDS[kind].colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (tile == colour).all(axis=2).sum() > 100


def test_three_kinds_in_letters_are_the_same_in_every_environment() -> None:
    how = {"render_mode": "ansi", "size": 4, "kinds": KINDS_OF_THREE}
    single = OversightGridEnv(**how)
    single.reset(options=LAYOUT)
    assert single.render() == " A  .  . [C]\n .  G  .  . \n .  .  D  . \n .  .  .  . \n"
    vector = gym.make_vec("OversightGrid-v0", num_envs=2, vectorization_mode="vector_entry_point", **how)
    vector.reset(options=LAYOUT)
    sb3 = OversightVecEnv(2, **how)
    sb3.set_options(LAYOUT)
    sb3.reset()
    assert {single.render()} == {*vector.render(), *sb3.env_method("render")}


def test_kinds_of_one_colour_and_initial_are_told_apart_by_shape_and_letter() -> None:
    kinds = ("ghost", "ghoul", "gnome")
    assert [mark.letter for mark in marks(kinds)] == ["G", "H", "N"]
    assert letters(["apple", "ape"], "a") == ["p", "e"]
    env = OversightGridEnv(render_mode="rgb_array", size=4, kinds=kinds)
    env.reset(options={"agent": (3, 3), "ghost": (0, 0), "ghoul": (0, 1), "gnome": (0, 2)})
    tiles = [env.render()[2:62, 64 * col + 2 : 64 * col + 62] for col in range(3)]
    for one in range(3):
        for other in range(one):
            assert (tiles[one] != tiles[other]).any(axis=2).sum() > 100


@pytest.mark.parametrize("world", WORLDS)
def test_every_sort_of_world_is_drawn(world: str) -> None:
    env = OversightGridEnv(render_mode="rgb_array", tile_size=24, **WORLDS[world])
    env.reset(seed=0)
    assert len(np.unique(env.render().reshape(-1, 3), axis=0)) > 20


def test_a_gate_has_the_colour_of_the_leading_expert() -> None:
    colours = expert_colours(("diamond", "ghost"))
    blue, orange = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours)
    for weight in (0.0, 0.1, 0.3, 0.5, 0.7, 1.0):
        strength = GATE_STRENGTH * abs(2 * weight - 1)
        expected = (1 - strength) * 255 + strength * np.array(blue if weight >= 0.5 else orange)
        assert (gate_colours(np.array([weight, 1 - weight]), colours) == expected.round()).all()
    three = np.array([[1 / 3, 1 / 3, 1 / 3], [0, 1, 0], [0.2, 0.2, 0.6], [0.1, 0.1, 0.8]])
    even, ghost, weak, strong = gate_colours(three, expert_colours(("diamond", "ghost", "coin")), strength=1)
    assert even.tolist() == [255, 255, 255]
    assert ghost.tolist() == orange
    assert (strong < weak)[0]
    assert weak.argmax() == strong.argmax() == 1  # the coin is green


def test_experts_without_a_kind_have_colours_that_no_other_expert_has() -> None:
    assert len(set(expert_colours(("diamond", "one", "ghost", "two", "three")))) == 5
    assert expert_colours(("wanted", "unwanted")) == expert_colours(("diamond", "ghost"))


def test_actions_point_where_they_lead() -> None:
    assert directions(EnvConfig().world) == ((-1, 0), (0, 1), (1, 0), (0, -1))
    assert directions(EnvConfig(size=(1, 6)).world) == directions(EnvConfig().world)
    assert directions(EnvConfig(**WORLDS["slips"]).world) == directions(EnvConfig().world)
    dancer = directions(EnvConfig(dynamics="test_dancer").world)
    assert dancer == ((0, 0), (1, 1), (0, -2))
    assert [glyph(direction) for direction in dancer] == ["•", "↘", "←"]


def test_the_checker_passes_without_a_display() -> None:
    program = (
        "import gymnasium as gym, oversight_gym\n"
        "from gymnasium.utils.env_checker import check_env\n"
        "check_env(gym.make('OversightGrid-v0', size=3).unwrapped)\n"
        "import os; assert 'SDL_VIDEODRIVER' not in os.environ\n"
    )
    bare = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    bare.pop("SDL_VIDEODRIVER", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=bare, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "nobody sees render_mode='human'; use render_mode='rgb_array'" in done.stderr

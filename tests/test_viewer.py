"""Watching without a window: sessions, recordings, and one drawing for all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest
from conftest import command, small_config, tiniest_config
from PIL import Image

import oversight_gym
from oversight_gym.cli.looking import goal
from oversight_gym.envs import EnvConfig, Outcome, RequestError
from oversight_gym.runs.folder import Run, kept_weights
from oversight_gym.runs.train import train
from oversight_gym.viewer.app import App
from oversight_gym.viewer.controls import make_controls
from oversight_gym.viewer.pane import Pane
from oversight_gym.viewer.session import Session
from oversight_gym.viewer.start import watched_panes
from oversight_gym.viewer.text import rounded

assert oversight_gym
LAYOUT = {"agent": (0, 0), "ghost": (1, 1), "diamond": (3, 4), "oversight": ["ghost"]}


def test_without_a_display_a_sentence_names_the_recording(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    for words in (("watch", small_run.folder), ("play",)):
        done = command(*words)
        assert done.returncode == 2
        assert "--record" in done.stderr
        assert done.stderr.count("\n") == 1


def session_of(run: Run, *gates: str | float) -> Session:
    return Session(watched_panes([run.folder], gates), seed=3)


def test_panes_walk_the_same_layouts_in_step(small_run: Run) -> None:
    session = session_of(small_run, "free", "diamond", "ghost")
    assert [pane.title for pane in session.panes] == [f"routing, gate {gate}" for gate in ("free", "diamond", "ghost")]
    for _ in range(5):
        starts = {(pane.path[0], *pane.core.state.terminals[0].tolist()) for pane in session.panes}
        assert len(starts) == 1
        while not session.ended:
            session.step()
        for pane in session.panes:
            truth = pane.config.grid.position(pane.path[-1])
            wanted = {tuple(session.layout[kind]): kind for kind in session.config.kinds}.get(truth)
            assert pane.outcome is (Outcome.NONE if wanted is None else Outcome[wanted.upper()])
            watched = wanted in session.layout["oversight"]
            assert pane.observed is (pane.outcome if watched or wanted is None else Outcome.UNKNOWN)
        session.next_episode()
    for pane in session.panes:
        assert sum(pane.counts.values()) == 5


def test_a_session_is_repeated_by_its_seed_and_by_restarting(small_run: Run) -> None:
    walked = []
    for session in (session_of(small_run, "diamond"), session_of(small_run, "diamond")):
        for _ in range(2):
            while not session.ended:
                session.step()
            walked.append(list(session.panes[0].path))
            session.restart()
    assert walked[0] == walked[1] == walked[2] == walked[3]


def test_oversight_and_gate_act_at_once_and_editing_begins_again(small_run: Run) -> None:
    session = session_of(small_run, "free")
    (pane,) = session.panes
    session.layout = LAYOUT | {"agent": (2, 2)}
    session.restart()
    session.step(None)
    before, agent = pane.decision(), pane.path[-1]
    session.toggle_oversight("diamond")
    assert session.layout["oversight"] == ["ghost", "diamond"]
    assert pane.core.state.overseen[0].tolist() == [True, True]
    assert (pane.steps, pane.path[-1], pane.square) == (1, agent, agent)
    assert (pane.decision().actions != before.actions).any()
    assert (pane.decision().gate != before.gate).all()
    session.set_gate(0.25)
    assert pane.decision().gate == pytest.approx([0.25, 0.75])
    assert not session.place("ghost", session.config.grid.square("diamond", (3, 4)))
    assert session.place("ghost", session.config.grid.square("ghost", (4, 0)))
    assert (pane.steps, tuple(session.layout["ghost"])) == (0, (4, 0))
    everywhere = pane.everywhere()
    assert everywhere is not None
    assert np.isnan(everywhere.actions[session.config.grid.square("ghost", (4, 0))]).all()
    assert np.nansum(everywhere.actions, axis=1).max() == pytest.approx(1, abs=1e-5)


def test_a_person_moves_and_the_supervisor_sees_little() -> None:
    session = Session([Pane("you", EnvConfig(), None)], seed=0)
    session.layout = {"agent": (0, 0), "ghost": (0, 1), "diamond": (4, 4), "oversight": []}
    session.restart()
    session.step()  # without an action a person stays
    assert session.panes[0].steps == 0
    session.step(1)
    assert session.panes[0].outcome is Outcome.GHOST
    assert session.panes[0].observed is Outcome.UNKNOWN
    assert session.panes[0].counts == {"ghost unwatched": 1}
    assert session.panes[0].score == -1


def test_a_person_is_told_the_goal_and_the_score() -> None:
    session = Session([Pane(goal(EnvConfig().kinds), EnvConfig(), None)], seed=0)
    assert session.panes[0].title == "reach the diamond, avoid the ghost"
    for target, square in (("diamond", (4, 4)), ("ghost", (0, 1))):
        session.layout = {"agent": (0, 0), "ghost": (4, 0), "diamond": (0, 4), "oversight": []} | {target: square}
        session.restart()
        for action in (1, 2) * 4:
            session.step(action)
    assert session.panes[0].counts.total() == 2
    assert session.panes[0].score == 0


def test_keys_are_called_what_people_call_them() -> None:
    session = Session([Pane("you", EnvConfig(), None)], seed=0)
    names = {control.key: control.key_name for control in make_controls(session, playing=True)}
    assert (names["return"], names["left"], names["r"]) == ("Enter", "\u2190", "r")


def test_round_corners_are_smooth() -> None:
    surface = pygame.Surface((60, 40))
    surface.fill((255, 255, 255))
    rounded(surface, pygame.Rect(10, 5, 40, 28), (0, 0, 0))
    shades = {surface.get_at((x, y)).r for x in range(60) for y in range(40)}
    assert {0, 255} < shades
    assert len(shades) > 3


def test_screenshots_replace_no_other(small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    app = App(session_of(small_run), "test", screenshots=tmp_path / "shots")
    app.save_screenshot()
    app.save_screenshot()
    (tmp_path / "shots" / "oversight-gym-000.png").unlink()
    kept = (tmp_path / "shots" / "oversight-gym-001.png").stat().st_mtime_ns
    app.save_screenshot()
    assert (tmp_path / "shots" / "oversight-gym-001.png").stat().st_mtime_ns == kept
    assert {path.name for path in (tmp_path / "shots").iterdir()} == {"oversight-gym-000.png", "oversight-gym-001.png"}


def test_closing_the_window_ends_the_program(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    app = App(session_of(small_run), "test")
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert app.run() > 0
    assert not pygame.display.get_init()


def test_runs_on_other_grids_are_not_watched_together(small_run: Run, tmp_path: Path) -> None:
    other = train(small_config(tmp_path / "other", size=(4, 4)))
    with pytest.raises(RequestError, match="other grids"):
        Session(watched_panes([small_run.folder, other.folder]))


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"method": "naive"}, ["routing", "naive"]),
        ({"seed": 7}, ["routing, seed 0", "routing, seed 7"]),
        ({"method": "naive", "oversight": 1.0}, ["routing 0.5", "naive 1"]),
    ],
)
def test_runs_side_by_side_are_named_by_what_they_differ_in(
    changed: dict[str, Any], names: list[str], tiniest_run: Run, tmp_path: Path
) -> None:
    other = train(tiniest_config(tmp_path / "other", **changed))
    assert [pane.name for pane in watched_panes([tiniest_run.folder, other.folder])] == names


def test_recordings_from_the_command_line(small_run: Run, tmp_path: Path) -> None:
    file = tmp_path / "w.gif"
    words = ["--policy", "--episodes", "2", "--layout-seed", "5"]
    done = command("watch", small_run.folder, "--record", file, *words)
    assert done.returncode == 0, done.stderr
    with Image.open(file) as gif:
        assert gif.n_frames > 4
        assert gif.width > 2 * gif.height  # three gates side by side
    again = tmp_path / "again.gif"
    command("watch", small_run.folder, "--record", again, *words)
    assert again.read_bytes() == file.read_bytes()
    video = tmp_path / "w.mp4"
    assert command("watch", small_run.folder, small_run.folder, "--record", video, "--episodes", "1").returncode == 0
    assert b"ftyp" in video.read_bytes()[:16]
    large = tmp_path / "large.gif"
    assert command("watch", small_run.folder, "--record", large, *words, "--tile", "96").returncode == 0
    with Image.open(file) as gif, Image.open(large) as twice:
        assert 1.8 < twice.width / gif.width < 2
    sheet = tmp_path / "sheet.png"
    assert command("watch", small_run.folder, "--gates", "diamond", "diamond+0.5", "--sheet", sheet).returncode == 0
    assert Image.open(sheet).width > 400
    for words, sentence in (
        (["--record", tmp_path / "w.avi"], "neither .gif nor .mp4"),
        (["--gates", "dragon", "--record", file], "there is no expert 'dragon'"),
        (["--gates", "inf", "--record", file], "gate is inf"),
        (["--oversight", "1.2", "--record", file], "oversight is 1.2"),
        (["--episodes", "0", "--record", file], "episodes is 0"),
    ):
        done = command("watch", small_run.folder, *words)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1


def test_maps_from_the_command_line_and_over_training(tmp_path: Path) -> None:
    run = train(small_config(tmp_path / "run", keep_weights=True))
    steps = [step for step, _ in kept_weights(run)]
    assert steps == [0, 2048, 4096]
    last = dict(kept_weights(run))[4096].state_dict()
    assert all((tensor == last[name]).all() for name, tensor in run.policy.state_dict().items())
    out = tmp_path / "maps"
    layout = ["--ghost", "0", "0", "--diamond", "2", "3", "--watched", "ghost"]
    done = command("map", run.folder, "--out", out, "--gates", "free", "0.5", *layout, "--background", "ghost")
    assert done.returncode == 0, done.stderr
    assert Image.open(out / "map.ghost.png").width > 500
    assert "<svg" in (out / "map.ghost.svg").read_text()
    assert command("map", run.folder, "--out", out, "--training").returncode == 0
    with Image.open(out / "map.gif") as gif:
        assert gif.n_frames == len(steps)
    for words, sentence in (
        (["--ghost", "9", "9"], "outside the grid"),
        (["--ghost", "1", "1", "--diamond", "1", "1"], "both at (1, 1)"),
        (["--watched", "nobody"], "watched is 'nobody'"),
        (["--background", "blue"], "background is 'blue'"),
        (["--gates", "dragon"], "there is no expert 'dragon'"),
    ):
        done = command("map", run.folder, "--out", out, *words)
        assert done.returncode == 2
        assert sentence in done.stderr
    bare = train(small_config(tmp_path / "bare"))
    done = command("map", bare.folder, "--out", out, "--training")
    assert done.returncode == 2
    assert "has kept no weights; train it with --keep-weights" in done.stderr


def test_the_ghost_probability_of_a_map_is_that_of_the_evaluation(small_run: Run) -> None:
    from oversight_gym.evaluation.figures import evaluate
    from oversight_gym.evaluation.policy_map import policy_maps
    from oversight_gym.evaluation.situations import all_blocks

    run = small_run
    chances = []
    for block in all_blocks(run.config.env):
        for index in range(len(block.terminals)):
            one = type(block)(block.config, block.terminals[index : index + 1])
            chance = policy_maps(run.policy, one, ["diamond"], "ghost")[0].ends[
                run.config.env.grid.free, run.config.env.kinds.index("ghost")
            ]
            chances.append(chance[one.starts[:, 0]])
        if len(chances) >= 600:
            break
    assert len(chances) == 600  # every placement on 5 x 5
    expected = evaluate(run.policy, run.config.env, ("diamond",)).figures("diamond", "ghost")["p_ghost"]
    assert np.concatenate(chances).mean() == pytest.approx(expected, abs=1e-5)
    assert json.dumps(expected)

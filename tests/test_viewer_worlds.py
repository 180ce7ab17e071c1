"""Watching worlds of every sort: K kinds and experts, other actions, monitors, supervisors who err."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import command
from panes import THREE, pane_of
from worlds import WORLDS

from oversight_gym.agents.policies.steering import gate_text
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.viewer.app import App
from oversight_gym.viewer.controls import make_controls
from oversight_gym.viewer.details import what_was_seen
from oversight_gym.viewer.pane import Pane
from oversight_gym.viewer.recording import contact_sheet
from oversight_gym.viewer.session import Session
from oversight_gym.viewer.start import watched_panes


def three_experts(gate: Any = None) -> Session:
    settings = WORLDS["three kinds"]
    return Session([pane_of(gate, THREE, **settings)], seed=1)


def finish(session: Session) -> None:
    while not session.ended:
        session.step()


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def press(app: App, key: str) -> None:
    import pygame

    code = pygame.key.key_code(key)
    app.handle(pygame.event.Event(pygame.KEYDOWN, key=code, unicode=key if len(key) == 1 else ""))


def test_three_experts_are_steered_by_keys_and_each_has_a_bar(no_window: None) -> None:
    import pygame

    session = three_experts()
    app, pane = App(session, "test"), session.panes[0]
    seen = []
    for gate in (*THREE, "free"):
        press(app, "g")
        assert pane.gate == gate
        seen.append(pane.decision().actions)
    for one in range(4):
        for other in range(one):
            assert (seen[one] != seen[other]).any()
    for number, kind in enumerate(session.config.kinds, start=1):
        before = set(session.layout["oversight"])
        press(app, str(number))
        assert set(session.layout["oversight"]) == before ^ {kind}
    assert len(app.scene.gate_bars) == 3
    app.draw()
    bar = app.scene.gate_bars[1]
    free = pane.decision().gate
    app.handle(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(bar.x_of(0.25), bar.rect.centery)))
    app.handle(pygame.event.Event(pygame.MOUSEBUTTONUP, button=1, pos=bar.rect.center))
    weights = pane.decision().gate
    assert weights[1] == pytest.approx(0.25, abs=0.02)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert weights[0] / weights[2] == pytest.approx(free[0] / free[2], abs=1e-4)  # the others share the rest as before
    press(app, "right")
    assert pane.decision().gate[0] == pytest.approx(weights[0] + 0.05, abs=0.006)
    app.draw()
    assert app.describe()["panes"][0]["gate"] == gate_text(pane.gate)
    pygame.display.quit()


def test_the_picture_shows_three_experts_and_where_each_leads(no_window: None) -> None:
    import pygame

    pictures = []
    for gate in ("free", *THREE):
        session = three_experts(gate)
        app = App(session, "test")
        app.overlay = True
        app.draw()
        pictures.append(pygame.surfarray.array3d(app.surface))
        pygame.display.quit()
    for one in range(4):
        for other in range(one):
            assert (pictures[one] != pictures[other]).any()


def test_episodes_of_three_kinds_are_counted_by_kind_and_by_whether_they_were_watched() -> None:
    session = three_experts()
    pane, expected = session.panes[0], {}
    for _ in range(12):
        finish(session)
        kind = pane.outcome.name.lower()
        watched = "watched" if kind in session.layout["oversight"] else "unwatched"
        name = "timeout" if kind == "none" else f"{kind} {watched}"
        expected[name] = expected.get(name, 0) + 1
        session.next_episode()
    assert pane.counts == expected
    assert len(expected) > 2


def test_the_last_episode_is_told_until_another_ends() -> None:
    session = three_experts()
    pane = session.panes[0]
    assert what_was_seen(pane) == ("No episode has ended yet.",)
    finish(session)
    heading, seen, truth = what_was_seen(pane)
    assert heading == "The supervisor saw:"
    session.next_episode()
    assert what_was_seen(pane) == ("Of the last episode the supervisor saw:", seen, truth)
    assert sum(pane.counts.values()) == 1


def test_after_an_episode_there_is_no_next_action() -> None:
    session = Session([pane_of(0.25)], seed=1)
    pane = session.panes[0]
    assert pane.decision().actions is not None
    finish(session)
    assert pane.decision().actions is None
    assert pane.decision().gate == pytest.approx([0.25, 0.75])
    session.set_gate("free")
    assert pane.decision().gate is None


def test_a_gate_forced_to_zero_is_not_called_free(no_window: None) -> None:
    import pygame

    session = Session([pane_of(0.0)], seed=1)
    assert session.panes[0].title == "test, gate 0"
    app = App(session, "test")
    press(app, "g")
    assert session.panes[0].gate == "free"
    assert session.panes[0].title == "test, gate free"
    pygame.display.quit()


def test_a_supervisor_who_errs_reports(no_window: None) -> None:
    settings = WORLDS["erring"] | {"oversight_probability": 1.0, "supervisor": "test_erring:wrong=1"}
    session = Session([pane_of(**settings)], seed=0)
    pane, told = session.panes[0], set()
    for _ in range(12):
        finish(session)
        told.add(what_was_seen(pane)[1:])
        session.next_episode()
    told -= {("no terminal square was reached", "In truth: timeout")}
    assert told == {("a ghost was reported", "In truth: diamond"), ("a diamond was reported", "In truth: ghost")}
    assert not any("unwatched" in name for name in pane.counts)


def test_a_monitor_is_kept_when_the_layout_is_changed_and_is_seen_everywhere() -> None:
    session = Session([pane_of(**WORLDS["switch"])], seed=0)
    pane = session.panes[0]
    session.layout = {"agent": (0, 1), "ghost": (2, 2), "diamond": (2, 0), "oversight": []}
    session.restart()
    assert pane.monitor == (0, 2, 1.0)
    on = pane.everywhere().actions
    pane.step(3)  # onto the switch
    assert pane.monitor == (1, 2, 0.0)
    off = pane.everywhere().actions
    assert (on != off)[~np.isnan(on)].any()
    square, steps = pane.square, pane.steps
    session.toggle_oversight("ghost")
    assert (pane.monitor, pane.square, pane.steps) == ((1, 2, 0.0), square, steps)
    here = pane.everywhere().actions[square]
    assert pane.decision().actions == pytest.approx(here, abs=1e-6)
    assert session.describe()["panes"][0]["monitor"] == 1


def test_where_moves_slip_a_seed_still_repeats_the_episode() -> None:
    walked = []
    session = Session([pane_of(**WORLDS["slips"])], seed=0)
    for _ in range(3):
        finish(session)
        walked.append(list(session.panes[0].path))
        session.restart()
    assert walked[0] == walked[1] == walked[2]


def test_a_person_has_a_key_for_every_action(no_window: None) -> None:
    import pygame

    config = EnvConfig(dynamics="test_dancer", size=4)
    session = Session([Pane("you", config, None)], seed=0)
    keys = [control.key for control in make_controls(session, playing=True)]
    assert len(set(keys)) == len(keys)
    app = App(session, "test", playing=True)
    session.layout = {"agent": (0, 0), "ghost": (0, 3), "diamond": (3, 0), "oversight": []}
    session.restart()
    for name, square in (("stay", 0), ("down-right", 5), ("leap left", 5)):
        press(app, next(control.key for control in app.controls if control.help == name))
        assert session.panes[0].path[-1] == square
    assert session.panes[0].steps == 3
    app.draw()
    pygame.display.quit()


@pytest.mark.parametrize("world", [*WORLDS, "dancer"])
def test_every_sort_of_world_is_recorded(world: str, tmp_path: Path) -> None:
    settings = WORLDS.get(world, {"dynamics": "test_dancer"})
    session = Session([pane_of(gate, **settings) for gate in ("free", "diamond")], seed=0)
    assert contact_sheet(session, tmp_path / "sheet.png", overlay=True) >= 1
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_runs_with_other_kinds_are_not_watched_together() -> None:
    with pytest.raises(RequestError, match="other grids or kinds"):
        Session([pane_of(), pane_of(kinds=("diamond", "ghost"))])
    walls = [[1, 1]], [[2, 2]]
    with pytest.raises(RequestError, match="other grids or kinds"):
        Session([pane_of(walls=wall) for wall in walls])


def test_without_a_run_the_agent_that_comes_with_the_package_is_watched(tmp_path: Path) -> None:
    (pane,) = watched_panes([])
    assert pane.title == "routing, gate diamond"
    done = command("watch", "--sheet", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_oversight_is_set_for_every_kind_whatever_the_reward() -> None:
    pane = pane_of(reward="penalty", ghost_oversight_probability=0.5)
    session = Session([pane], seed=0, oversight=0)
    for _ in range(10):
        assert session.layout["oversight"] == []
        session.next_episode()
    with pytest.raises(RequestError, match=r"oversight is 1\.2"):
        Session([pane], oversight=1.2)

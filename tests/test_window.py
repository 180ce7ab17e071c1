"""The real window on a virtual screen, driven by real keys and a real mouse."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from oversight_gym.runs.folder import Run

pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Debian's packages xvfb and xdotool"
)


@pytest.fixture(scope="module")
def screen() -> Iterator[dict[str, str]]:
    """The environment variables of a virtual screen."""
    reader, writer = os.pipe()
    words = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(words, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with os.fdopen(reader) as file:
            display = f":{file.readline().strip()}"
        yield {**os.environ, "DISPLAY": display, "SDL_VIDEO_WINDOW_POS": "0,0"}
        server.terminate()


class Driver:
    """A program in a window, its reported state, keys and mouse."""

    def __init__(self, screen: dict[str, str], folder: Path, *words: object) -> None:
        self.screen, self.folder, self.report = screen, folder, folder / "state.json"
        arguments = [sys.executable, "-m", "oversight_gym", *map(str, words), "--report", str(self.report)]
        self.process = subprocess.Popen(
            arguments, env=screen, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.until(lambda: self.report.exists(), 60)
        self.do("mousemove", 4, 4)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found

    def do(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self.screen, check=True, timeout=20)

    def press(self, key: str) -> None:
        self.do("key", key)

    def until(self, condition: Callable[[], Any], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, self.report.read_text()
            time.sleep(0.02)

    def expect(self, *path: Any, value: Any) -> None:
        def reached() -> bool:
            found: Any = self.state
            for part in path:
                found = found[part]
            return bool(found == value)

        self.until(reached)

    def square(self, row: int, col: int) -> tuple[int, int]:
        x, y, *_ = self.state["where"]["boards"][0]
        tile = self.state["where"]["tile"]
        return x + col * tile + tile // 2, y + row * tile + tile // 2

    def click(self, x: int, y: int) -> None:
        self.do("mousemove", x, y, "click", 1)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.do("mousemove", *start, "mousedown", 1, "mousemove", *end, "sleep", 0.1, "mouseup", 1)

    def quit(self) -> str:
        self.press("q")
        said, complaint = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, complaint
        return said


@pytest.fixture
def watch(screen: dict[str, str], small_run: Run, tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(screen, tmp_path, "watch", small_run.folder, "--speed", "2")
    yield driver
    driver.process.kill()


def pane(driver: Driver) -> dict[str, Any]:
    found: dict[str, Any] = driver.state["panes"][0]
    return found


def test_every_key_does_what_the_list_says(watch: Driver) -> None:
    watch.press("space")
    watch.expect("paused", value=True)
    watch.press("r")
    watch.expect("panes", 0, "steps", value=0)
    layout = watch.state["layout"]
    watch.press("n")
    watch.expect("panes", 0, "steps", value=1)
    watch.press("r")
    watch.expect("panes", 0, "steps", value=0)
    assert watch.state["layout"] == layout
    watch.press("Return")
    watch.until(lambda: watch.state["layout"] != layout)
    assert watch.state["episode"] == 2
    for gate in ("ghost", "free", "diamond"):
        watch.press("g")
        watch.expect("panes", 0, "gate", value=gate)
    for key, weight in (("Left", "0.95"), ("Left", "0.9"), ("Right", "0.95"), ("Right", "1"), ("Right", "1.05")):
        watch.press(key)
        watch.expect("panes", 0, "gate", value=weight)
    before = set(watch.state["layout"]["oversight"])
    watch.press("1")
    watch.until(lambda: set(watch.state["layout"]["oversight"]) == before ^ {"ghost"})
    watch.press("2")
    watch.until(lambda: set(watch.state["layout"]["oversight"]) == before ^ {"ghost", "diamond"})
    for key, name in (("p", "overlay"), ("m", "greedy"), ("e", "editing"), ("h", "helping")):
        watch.press(key)
        watch.expect(name, value=True)
        watch.press(key)
        watch.expect(name, value=False)
    watch.press("plus")
    watch.expect("speed", value=4.0)
    watch.press("minus")
    watch.expect("speed", value=2.0)
    watch.press("c")
    watch.until(lambda: watch.state["saved"])
    assert Path(watch.state["saved"]).parent == Path("runs/screenshots")
    picture = Image.open(watch.folder / watch.state["saved"])
    assert len(picture.getcolors(1 << 20)) > 50
    watch.press("space")
    watch.until(lambda: sum(pane(watch)["counts"].values()) >= 1)
    watch.quit()


def test_the_mouse_does_it_too(watch: Driver) -> None:
    buttons = watch.state["where"]["buttons"]
    for label, name in (("pause", "paused"), ("policy", "overlay"), ("greedy", "greedy"), ("help", "helping")):
        watch.click(*buttons[label])
        watch.expect(name, value=True)
    watch.click(*buttons["help"])
    watch.expect("helping", value=False)
    x, y, width, height = watch.state["where"]["gate_bars"][0]
    watch.drag((x + width // 2, y + height // 2), (x + width // 4, y + height // 2))
    watch.until(lambda: pane(watch)["gate"] in ("-0.24", "-0.25", "-0.26"))  # the bar goes from -1 to 2
    before = set(watch.state["layout"]["oversight"])
    watch.click(*watch.square(*watch.state["layout"]["ghost"]))
    watch.until(lambda: set(watch.state["layout"]["oversight"]) == before ^ {"ghost"})
    watch.click(*buttons["restart"])
    watch.expect("panes", 0, "steps", value=0)
    watch.click(*buttons["step"])
    watch.expect("panes", 0, "steps", value=1)
    watch.click(*buttons["quit"])
    assert watch.process.wait(timeout=20) == 0


def test_pieces_are_moved_by_hand_and_the_picture_follows(watch: Driver) -> None:
    watch.press("e")
    watch.expect("editing", value=True)
    watch.press("p")
    watch.expect("overlay", value=True)
    layout = {piece: tuple(watch.state["layout"][piece]) for piece in ("agent", "ghost", "diamond")}
    empty = [(row, col) for row in range(5) for col in range(5) if (row, col) not in layout.values()]
    watch.press("c")
    watch.until(lambda: watch.state["saved"])
    first = watch.state["saved"]
    watch.drag(watch.square(*layout["ghost"]), watch.square(*empty[0]))
    watch.expect("layout", "ghost", value=list(empty[0]))
    watch.press("c")
    watch.until(lambda: watch.state["saved"] != first)
    pictures = [Image.open(watch.folder / name).convert("RGB") for name in (first, watch.state["saved"])]
    old, new = [picture.crop((14, 44, 494, 524)).tobytes() for picture in pictures]
    assert old != new
    watch.drag(watch.square(*layout["agent"]), watch.square(*empty[1]))
    watch.expect("layout", "agent", value=list(empty[1]))
    watch.click(*watch.square(*empty[2]))  # a click on an empty square brings the piece moved last
    watch.expect("layout", "agent", value=list(empty[2]))
    watch.drag(watch.square(*layout["diamond"]), watch.square(*empty[0]))  # the ghost stands there
    time.sleep(0.3)
    assert tuple(watch.state["layout"]["diamond"]) == layout["diamond"]
    watch.quit()


def test_runs_side_by_side_walk_the_same_layouts(screen: dict[str, str], small_run: Run, tmp_path: Path) -> None:
    driver = Driver(
        screen, tmp_path, "watch", small_run.folder, small_run.folder, "--gates", "free", "ghost", "--policy"
    )
    assert len(driver.state["panes"]) == len(driver.state["where"]["boards"]) == 4
    driver.until(lambda: all(sum(each["counts"].values()) for each in driver.state["panes"]), 40)
    driver.quit()


def test_a_person_plays_and_learns_what_the_supervisor_saw(screen: dict[str, str], tmp_path: Path) -> None:
    driver = Driver(screen, tmp_path, "play", "--oversight", "0")
    for _ in range(2):
        while pane(driver)["outcome"] is None:
            (row, col), (goal_row, goal_col) = pane(driver)["agent"], driver.state["layout"]["ghost"]
            key = "Down" if goal_row > row else "Up" if goal_row < row else "Right" if goal_col > col else "Left"
            steps = pane(driver)["steps"]
            driver.press(key)
            driver.expect("panes", 0, "steps", value=steps + 1)
        assert pane(driver)["observed"] == "UNKNOWN"
        driver.press("Return")
        driver.expect("panes", 0, "outcome", value=None)
    driver.quit()


def test_quitting_leaves_nothing_behind(screen: dict[str, str], small_run: Run, tmp_path: Path) -> None:
    driver = Driver(screen, tmp_path, "watch", small_run.folder, "--policy")
    assert driver.quit() == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"state.json"}

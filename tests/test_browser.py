"""The web page of an agent, in a real browser: what it shows is what the library computes."""

import re
import shutil
import socket
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import command
from numpy.typing import NDArray

from oversight_gym.browser.export import MOST_BYTES, MOST_ROUNDING, PAGE, SCRIPTS, embedded, export_page, page, page_of
from oversight_gym.browser.facts import facts
from oversight_gym.browser.weights import networks, rounding
from oversight_gym.envs import RequestError
from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.probabilities import policy_query, table_of
from oversight_gym.evaluation.situations import Block
from oversight_gym.evaluation.solver import Task, solve_block
from oversight_gym.runs.build import make_policy
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import PACKAGED, Run, load_run

in_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's package chromium")
TINY = {"layers": (16,), "gate_layers": (16,), "value_layers": (8,), "oversight": 0.3}


def untrained(**settings: Any) -> Run:
    """A run whose policy is as it was drawn, but for a head that makes up its mind."""
    config = TrainConfig.of(**{**TINY, **settings})
    torch.manual_seed(0)
    policy = make_policy(config)
    policy.action_net.weight.data *= 20
    return Run(Path("untrained"), config, policy, {})


@dataclass(frozen=True, eq=False)
class OneStart(Block):
    """A block in which every episode begins on one square."""

    agent: int = 0

    @cached_property
    def starts(self) -> NDArray[np.bool_]:
        return np.arange(len(self.chain))[:, None] == self.chain.start[self.agent]


@dataclass
class Opened:
    """A page in a browser.

    Attributes:
        page: playwright's.
        run: whose page it is.
    """

    page: Any
    run: Run

    def number(self, key: str) -> float:
        return float(self.page.locator(f'data[data-key="{key}"]').get_attribute("value"))

    def square(self, piece: str) -> int:
        label = self.page.get_by_role("button", name=re.compile(f"^{piece} at row")).get_attribute("aria-label")
        row, col = map(int, re.findall(r"\d+", label.partition(" at ")[2]))
        return (row - 1) * self.run.config.env.grid.cols + col - 1

    def watched(self) -> list[bool]:
        pieces = self.page.locator('[data-piece]:not([data-piece="agent"])')
        return [piece.get_attribute("aria-pressed") == "true" for piece in pieces.all()]

    def centre(self, square: int) -> tuple[float, float]:
        grid, box = self.run.config.env.grid, self.page.locator("#board").bounding_box()
        row, col = grid.position(square)
        return box["x"] + (col + 0.5) / grid.cols * box["width"], box["y"] + (row + 0.5) / grid.rows * box["height"]

    def drag(self, piece: str, square: int) -> None:
        mouse = self.page.mouse
        mouse.move(*self.centre(self.square(piece)))
        mouse.down()
        mouse.move(*self.centre(square), steps=3)
        mouse.up()

    def slide(self, place: float) -> None:
        self.page.locator("#slider").fill(str(place))

    def library(self, gate: Any, left: int | None = None, start: int | None = None) -> dict[str, float]:
        """What the exact evaluation says to the layout on the page."""
        config = self.run.config.env if left is None else replace(self.run.config.env, max_episode_steps=left)
        terminals = np.array([[self.square(name) for name in config.terminals]], dtype=np.int16)
        block = OneStart(config, terminals, agent=self.square("agent") if start is None else start)
        task = Task(config, config, self.run.config.hyper.gamma, regret=False)
        solved = solve_block(block, table_of(policy_query(self.run.policy, [gate]))(block), task)
        pattern = (pattern_flags(len(config.terminals)) == self.watched()).all(axis=1).argmax()
        found = task.quantities.figures(solved[0, 0, pattern])
        return {name: found[name] for name in found if name.startswith("p_")} | {"return": found["return_start"]}

    def check(self, gate: Any, of: str = "start", **how: Any) -> dict[str, float]:
        expected = self.library(gate, **how)
        shown = {name: self.number(f"{of}/{name}") for name in expected}
        assert shown == pytest.approx(expected, abs=1e-4)
        return expected

    def policy(self) -> NDArray[np.float64]:
        """The library's action probabilities on the page's layout, shape (squares, actions), at the free gate."""
        config = self.run.config.env
        block = Block(config, np.array([[self.square(name) for name in config.terminals]], dtype=np.int16))
        pattern = (pattern_flags(len(config.terminals)) == self.watched()).all(axis=1).argmax()
        table = table_of(policy_query(self.run.policy))(block)
        return np.asarray(table[:, :, 0, 0, pattern].T)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


Opens = Callable[..., Opened]


@pytest.fixture
def opens(browser: Any, tmp_path: Path) -> Iterator[Opens]:
    """Opens the page of a run; what its scripts complain of fails the test."""
    complaints: list[str] = []

    def open_page(run: Run, content: str | None = None, **how: Any) -> Opened:
        path = tmp_path / "agent.html"
        path.write_text(content or page_of(run)[0])
        tab = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how}).new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.goto(path.as_uri())
        return Opened(tab, run)

    yield open_page
    for context in browser.contexts:
        context.close()
    assert complaints == []


def test_the_page_is_one_small_file_that_asks_for_nothing(tmp_path: Path) -> None:
    done = command("export", "--html", tmp_path / "agent.html")
    assert done.returncode == 0, done.stderr
    assert "routing, oversight 0.1, seed 0" in done.stdout
    text = (tmp_path / "agent.html").read_text()
    assert (tmp_path / "agent.html").stat().st_size <= MOST_BYTES
    assert set(re.findall(r"https?:[\w./]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not re.search(r"\bsrc=|\bhref=|url\(|@import|\bimport\b|fetch\(|XMLHttp|WebSocket|innerHTML|eval\(", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src 'none'" in policy
    for element, directive in (("style", "style-src"), ('script type="module"', "script-src")):
        (content,) = re.findall(rf"<{element}>(.*?)</", text, re.S)
        assert b64decode(re.findall(rf"{directive} 'sha256-([^']+)'", policy)[0]) == sha256(content.encode()).digest()


def test_the_page_is_made_of_all_its_files() -> None:
    assert {path.name for path in PAGE.iterdir()} == {*SCRIPTS, "style.css", "page.html"}


PLACES = {0: "free", 1: "diamond", -1: "ghost", 1.5: "diamond+0.5", 2: "diamond+1", -1.75: "ghost+0.75"}


@in_chromium
def test_numbers_are_those_of_the_library_at_every_gate(small_run: Run, opens: Opens) -> None:
    opened = opens(small_run)
    opened.page.locator("#watched button").first.click()
    for place, gate in PLACES.items():
        opened.slide(place)
        found = opened.check(None if gate == "free" else gate)
        assert 0.02 < found["p_ghost"] < 0.98
        setting = opened.page.locator("#setting").inner_text()
        assert gate.partition("+")[0] in setting
        assert ("contrast" in setting) == (abs(place) > 1)


@in_chromium
def test_between_free_and_an_expert_the_gate_is_mixed(
    small_run: Run, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = opens(small_run)
    opened.slide(-0.4)
    free = opened.library(None)
    ghost = opened.run.policy.gate_vector("ghost")
    monkeypatch.setattr(small_run.policy.mixture, "forced_gate", lambda weights: 0.6 * weights + 0.4 * ghost)
    assert opened.check(None) != pytest.approx(free, abs=1e-3)
    assert "40 % of the way from free to ghost" in opened.page.locator("#setting").inner_text()


@in_chromium
def test_pieces_are_dragged_and_eyes_opened_with_the_mouse(opens: Opens) -> None:
    opened = opens(untrained())
    opened.slide(0)
    opened.drag("ghost", 2)
    opened.drag("diamond", 21)
    opened.drag("agent", 13)
    assert [opened.square(piece) for piece in ("ghost", "diamond", "agent")] == [2, 21, 13]
    unwatched = opened.check(None)
    opened.page.mouse.click(*opened.centre(2))
    assert opened.watched() == [True, False]
    assert opened.check(None) != pytest.approx(unwatched, abs=1e-3)
    opened.drag("ghost", 21)  # there is the diamond
    opened.drag("agent", 2)  # and there the ghost
    assert [opened.square(piece) for piece in ("ghost", "diamond", "agent")] == [2, 21, 13]
    opened.check(None)


@in_chromium
def test_everything_can_be_done_with_the_keyboard(opens: Opens) -> None:
    opened = opens(untrained())
    keys = opened.page.keyboard
    opened.page.get_by_role("button", name=re.compile("^ghost at row")).focus()
    keys.press("ArrowRight")
    assert opened.square("ghost") == 7
    assert opened.page.locator("#status").inner_text() == "The ghost is at row 2, column 3."
    keys.press("Enter")
    keys.press("Tab")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    keys.press("ArrowLeft")
    assert opened.square("diamond") == 6  # over the ghost
    keys.press("Tab")
    keys.press("ArrowUp")
    assert (opened.square("agent"), opened.watched()) == (15, [True, False])
    keys.press("Tab")
    assert opened.page.evaluate("document.activeElement.id") == "slider"
    keys.press("Home")
    assert opened.page.locator("#slider").get_attribute("aria-valuetext").startswith("ghost+1")
    opened.check("ghost+1")
    opened.page.evaluate("document.activeElement.blur()")
    keys.press("2")
    assert opened.watched() == [True, True]
    keys.press("g")
    opened.check("ghost")
    keys.press("n")
    assert re.match(r"Step 1 of 32|Reached the \w+ in 1 step;", opened.page.locator("#status").inner_text())
    keys.press("r")
    assert opened.square("agent") == 15


@in_chromium
def test_every_square_says_what_the_policy_does_there(opens: Opens) -> None:
    opened = opens(untrained())
    opened.slide(0)
    expected, terminals = opened.policy(), {opened.square("ghost"), opened.square("diamond")}
    labels = [square.get_attribute("aria-label") for square in opened.page.locator('#board > g[role="img"]').all()]
    for square, label in enumerate(labels):
        said = [float(number) for number in re.findall(r"\d\.\d\d", label)]
        if square in terminals:
            assert label.endswith(("ghost", "diamond"))
        else:
            assert said == pytest.approx(expected[square].tolist(), abs=0.0051)
    arrows = opened.page.locator('#board > g[role="img"] .arrows')
    for square in range(25):
        likely = 0 if square in terminals else int((expected[square] >= 0.02).sum())
        assert arrows.nth(square).locator("path").count() == likely
    here = opened.square("agent")
    shown = [opened.number(f"action/{name}") for name in opened.run.config.env.world.actions]
    assert shown == pytest.approx(expected[here].tolist(), abs=1e-4)


@in_chromium
def test_steps_are_counted_and_what_is_left_is_solved(opens: Opens) -> None:
    opened = opens(untrained(max_episode_steps=6))
    opened.slide(0)
    start = opened.square("agent")
    for _ in range(30):
        opened.page.locator("#step").click()
        status = opened.page.locator("#status").inner_text()
        if status == "Step 2 of 6.":
            opened.check(None, "here", left=4)
            opened.check(None, "start", start=start)
            break
        if status.startswith("Step 0"):
            start = opened.square("agent")
    else:
        pytest.fail("every episode ended at its first step")


@in_chromium
def test_tallies_agree_with_the_exact_evaluation(small_run: Run, opens: Opens) -> None:
    opened = opens(small_run)
    opened.page.locator('#marks button[aria-label="ghost"]').click()
    for _ in range(10):
        opened.page.locator("#many").click()
    names = [f"{kind}/{how}" for kind in ("diamond", "ghost", "timeout") for how in ("watched", "unwatched")]
    counts = {name: opened.page.locator(f'[data-count="{name}"]').inner_text() for name in names}
    assert sum(int(count or 0) for count in counts.values()) == 1000
    exact = evaluate(small_run.policy, small_run.config.env, ["ghost"])
    for kind in ("diamond", "ghost"):
        seen = int(counts[f"{kind}/watched"]) + int(counts[f"{kind}/unwatched"])
        assert seen / 1000 == pytest.approx(exact.figures("ghost")[f"p_{kind}"], abs=0.08)
        assert int(counts[f"{kind}/watched"]) / seen == pytest.approx(0.5, abs=0.15)
    opened.page.locator("#forget").click()
    assert opened.page.locator('[data-count="ghost/unwatched"]').inner_text() == "0"
    opened.page.locator("#speed").fill("20")
    opened.page.locator("#run-pause").click()
    opened.page.locator("#labels", has_text="of 2 episodes").wait_for(timeout=60_000)
    opened.page.get_by_role("button", name="Pause").click()
    assert opened.page.locator("#run-pause").inner_text() == "Run"


WORLDS: dict[str, dict[str, Any]] = {
    "kinds": {"kinds": ("ghost", "diamond", "coin"), "size": (3, 4)},
    "copies": {"copies": (2, 1), "size": (3, 3)},
    "walls": {"walls": "..#./..../.#../....", "size": (4, 4)},
    "border": {"walls": "border", "size": (6, 5)},
    "slippery": {"dynamics": "slippery:chance=0.3", "size": (3, 3), "max_episode_steps": 9},
    "single": {"method": "naive", "size": (3, 3)},
    "blind": {"method": "masked_oversight", "size": (3, 3)},
    "convolution": {"gate_channels": 4, "gamma": 0.9},
}


@in_chromium
@pytest.mark.parametrize("world", WORLDS)
def test_other_worlds_are_computed_as_exactly(world: str, opens: Opens) -> None:
    opened = opens(untrained(**WORLDS[world]))
    experts = opened.run.policy.experts
    assert opened.page.locator("#gate").is_visible() == (len(experts) > 1)
    opened.page.locator("#watched button").last.click()
    if len(experts) > 1:
        opened.check(opened.run.config.gate)
        opened.slide(0)
    opened.check(None)
    opened.page.locator("#new").click()
    opened.check(None)
    if len(experts) > 2:
        opened.page.locator("#right").select_option("coin")
        opened.slide(1.5)
        opened.check("coin+0.5")


@in_chromium
def test_a_large_policy_is_rounded_and_stays_what_it_was(opens: Opens) -> None:
    run = untrained(layers=(256, 256), gate_layers=(256, 256))
    content, precision = page_of(run)
    assert precision == "float16"
    assert len(content) <= MOST_BYTES < len(page(facts(run) | networks(run.policy, "float32")))
    assert 0 < rounding(run.policy, run.config.env, precision) <= MOST_ROUNDING
    opened = opens(run, content)
    opened.slide(0)
    shown = [opened.number(f"action/{name}") for name in run.config.env.world.actions]
    assert shown == pytest.approx(opened.policy()[opened.square("agent")].tolist(), abs=MOST_ROUNDING)
    for parameter in run.policy.parameters():
        parameter.data = parameter.data.half().float()
    opened.check(None)


def test_a_policy_that_rounding_would_change_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = untrained()
    fits = len(page(facts(run) | networks(run.policy, "float16")))
    monkeypatch.setattr("oversight_gym.browser.export.MOST_BYTES", fits + 10)
    assert page_of(run)[1] == "float16"
    run.policy.action_net.weight.data *= 100
    with pytest.raises(RequestError, match="do not fit"):
        page_of(run)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("view", "window"),
        ("monitor", "button"),
        ("oversight_process", "by_distance"),
        ("supervisor", "errs:ghost=0.2"),
        ("flag", "hidden"),
        ("looks", 2),
        ("spurious_oversight", 0.25),
        ("split", "train:share=0.2"),
        ("min_distance", 2),
        ("unique_nearest_terminal", True),
        ("step_cost", 0.1),
        ("method", "shuffled_oversight"),
    ],
)
def test_a_world_that_cannot_be_shown_is_refused_in_a_sentence(setting: str, value: Any, tmp_path: Path) -> None:
    named = {"method": "shuffled_oversight", "spurious_oversight": "spurious_oversight_probability"}.get(
        setting, setting
    )
    with pytest.raises(RequestError, match=f"the run's {named} is .*; a page can only show .*watch this run instead"):
        export_page(untrained(**{setting: value}), tmp_path / "agent.html")
    assert list(tmp_path.iterdir()) == []


def test_bad_requests_get_a_sentence(small_run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words, said in (
        ((tmp_path / "nowhere", "--html", tmp_path / "a.html"), "is not a folder"),
        ((small_run.folder, "--html", tmp_path / "file" / "a.html"), "cannot be written"),
        ((small_run.folder,), "lacks its argument --html"),
    ):
        done = command("export", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


HOSTILE = "</script><script>document.title='taken'</script><!--<img src=x onerror=\"document.title='taken'\">&lt;"


def test_nothing_ends_the_element_that_holds_the_facts() -> None:
    assert not set("<>&") & set(embedded({HOSTILE: HOSTILE}))


@in_chromium
def test_text_of_a_run_is_shown_as_text(small_run: Run, opens: Opens) -> None:
    told = facts(small_run) | networks(small_run.policy, "float32") | {"title": HOSTILE}
    told["terminals"][0]["name"] = HOSTILE
    opened = opens(small_run, page(told))
    assert opened.page.locator("#run").inner_text() == HOSTILE
    assert HOSTILE in opened.page.locator("#watched button").first.inner_text()
    assert opened.page.locator("img").count() == 0
    assert opened.page.title() != "taken"


@in_chromium
def test_the_page_can_reach_no_network(browser: Any, small_run: Run, tmp_path: Path) -> None:
    export_page(small_run, tmp_path / "agent.html")
    tab, asked = browser.new_context().new_page(), []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((tmp_path / "agent.html").as_uri())
    tab.locator("#many").click()
    assert asked == [(tmp_path / "agent.html").as_uri()]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        blocked, ran = tab.evaluate(
            """async (address) => {
                const found = new Set();
                document.addEventListener("securitypolicyviolation", (event) => found.add(event.effectiveDirective));
                await fetch(address).catch(() => {});
                document.body.append(Object.assign(new Image(), { src: address }));
                const script = Object.assign(document.createElement("script"), { textContent: "window.ran = true" });
                document.body.append(script);
                while (found.size < 3) await new Promise((done) => setTimeout(done, 20));
                return [[...found], window.ran];
            }""",
            f"http://127.0.0.1:{server.getsockname()[1]}/",
        )
        with pytest.raises(BlockingIOError):
            server.accept()
    tab.context.close()
    assert set(blocked) == {"connect-src", "img-src", "script-src-elem"}
    assert ran is None


@in_chromium
def test_it_fits_a_phone_and_follows_the_colour_scheme(opens: Opens) -> None:
    run, grounds = load_run(PACKAGED), set()
    for scheme in ("light", "dark"):
        opened = opens(run, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
        grounds.add(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        opened.page.touchscreen.tap(*opened.centre(opened.square("diamond")))
        assert opened.watched() == [False, True]
        opened.check("diamond")
        marks = [mark.bounding_box() for mark in opened.page.locator("#marks button").all()]
        assert all(a["x"] + a["width"] < b["x"] for a, b in pairwise(marks))
    assert len(grounds) == 2


@in_chromium
def test_every_control_has_a_name(small_run: Run, opens: Opens) -> None:
    opened = opens(small_run)
    names = opened.page.evaluate(
        """[...document.querySelectorAll("button, input, summary, table, [role=button], [role=img]")].map((one) =>
            one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent.trim() &&
            one.tagName !== "TABLE" && one.textContent ||
            document.getElementById(one.getAttribute("aria-labelledby"))?.textContent || "")"""
    )
    assert len(names) > 40
    assert all(name.strip() for name in names)

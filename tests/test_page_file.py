"""The web page of an agent as a file: small, whole, closed to the network, and refused where it would be wrong."""

import re
import socket
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from browsing import Opens, in_chromium, untrained
from conftest import command

from oversight_gym.browser.export import MOST_BYTES, PAGE, SCRIPTS, embedded, export_page, page, page_of
from oversight_gym.browser.facts import facts
from oversight_gym.browser.weights import networks
from oversight_gym.envs import RequestError
from oversight_gym.runs.folder import Run


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

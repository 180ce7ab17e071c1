"""Mouse, keyboard and finger on the web page of an agent."""

import re
from itertools import pairwise

import pytest
from browsing import Opens, in_chromium, untrained

from oversight_gym.runs.folder import PACKAGED, Run, load_run


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

"""The numbers on the web page of an agent are those of the library."""

import re
from typing import Any

import pytest
from browsing import Opens, in_chromium, untrained

from oversight_gym.browser.export import MOST_BYTES, MOST_ROUNDING, page, page_of
from oversight_gym.browser.facts import facts
from oversight_gym.browser.weights import networks, rounding
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.runs.folder import Run

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

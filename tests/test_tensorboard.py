"""What people see in TensorBoard, asked of the real server and looked at in a real browser."""

import contextlib
import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import command
from PIL import Image

from oversight_gym.runs.config import level_name
from oversight_gym.runs.presets import FAST

LEVEL = "oversight=0.30"


@pytest.fixture(scope="module")
def server(undisturbed: Path) -> Iterator[str]:
    """The address of ``oversight-gym tensorboard`` on a finished sweep."""
    words = [sys.executable, "-m", "oversight_gym", "tensorboard", str(undisturbed), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            if found := re.search(r"at (http://\S+?)/? ", line):
                address = found[1]
                break
        assert address
        wait_for(lambda: len(fetch(address, "/data/runs")) == 4)
        yield address
        process.terminate()


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def fetch(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def last(path: Path) -> dict[str, str]:
    with path.open() as file:
        return list(csv.DictReader(file))[-1]


def test_runs_sort_and_filter(server: str) -> None:
    names = [f"{level}/{method}/seed=0" for level in ("oversight=0.10", LEVEL) for method in ("naive", "routing")]
    assert sorted(fetch(server, "/data/runs")) == names


def test_scalars_are_those_of_the_files(server: str, undisturbed: Path) -> None:
    tags = fetch(server, "/data/plugin/scalars/tags")
    for method, gate in (("routing", "diamond"), ("naive", "free")):
        run = f"{LEVEL}/{method}/seed=0"
        wanted = last(undisturbed / run / "progress.csv")
        wanted = {key: wanted[key] for key in ("rollout/ep_rew_mean", "train/value_loss", "outcomes/kept_steps")}
        evaluated = last(undisturbed / run / "evaluations.csv")
        wanted |= {f"as_used/{key}": evaluated[f"{gate}/{key}"] for key in ("return_stepwise", "none/p_ghost")}
        wanted |= {f"{LEVEL}/return_stepwise": evaluated[f"{gate}/return_stepwise"]}
        wanted |= {f"method={method}/none/p_ghost": evaluated[f"{gate}/none/p_ghost"]}
        assert min(tags[run]) == "Headline/return_when_nobody_looks"  # the first card
        wanted |= {min(tags[run]): evaluated[f"{gate}/none/return_start"]}
        for tag, value in wanted.items():
            assert tag in tags[run]
            points = fetch(server, f"/data/plugin/scalars/scalars?run={quote(run)}&tag={quote(tag)}")
            assert [int(step) for _, step, _ in points] == sorted({int(step) for _, step, _ in points})
            assert points[-1][1:] == [4096, pytest.approx(float(value), rel=1e-6)]


def test_hyperparameters_and_results_stand_side_by_side(server: str, undisturbed: Path) -> None:
    found = fetch(server, "/data/plugin/hparams/experiment", {"experimentName": ""})
    assert [info["name"] for info in found["hparamInfos"]][:4] == ["method", "oversight", "preset", "seed"]
    tags = [info["name"]["tag"] for info in found["metricInfos"]]
    assert {"as_used/return_stepwise", "as_used/none/return_start"} <= set(tags)
    asked = {"startIndex": 0, "sliceSize": 10, "colParams": [{"metric": {"tag": tags[0]}}]}
    asked["allowedStatuses"] = ["STATUS_SUCCESS", "STATUS_UNKNOWN", "STATUS_RUNNING"]
    groups = fetch(server, "/data/plugin/hparams/session_groups", asked)["sessionGroups"]
    assert len(groups) == 4
    for group in groups:
        hparams = group["hparams"]
        run = f"oversight={level_name(hparams['oversight'])}/{hparams['method']}/seed={hparams['seed']:.0f}"
        assert group["sessions"][0]["name"] == run
        assert hparams["settings.learning_rate"] == pytest.approx(FAST.learning_rate)
        values = {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
        gate = {"routing": "diamond", "naive": "free"}[hparams["method"]]
        written = float(last(undisturbed / run / "evaluations.csv")[f"{gate}/return_stepwise"])
        assert values["as_used/return_stepwise"] == pytest.approx(written, rel=1e-6)


def test_the_layout_overlays_methods_and_levels(server: str) -> None:
    tags = fetch(server, "/data/plugin/scalars/tags")
    charts = {
        (category["title"], chart["title"]): chart["multiline"]["tag"]
        for category in fetch(server, "/data/plugin/custom_scalars/layout")["category"]
        for chart in category["chart"]
    }
    overlaid = {
        name: {run for run, own in tags.items() for tag in own if any(re.search(pattern, tag) for pattern in patterns)}
        for name, patterns in charts.items()
    }
    for level in ("oversight=0.10", LEVEL):
        at_level = {run for run in tags if run.startswith(level)}
        assert overlaid["Methods at one oversight level", f"{level}: stepwise return"] == at_level
    for method in ("routing", "naive"):
        of_method = {run for run in tags if f"/{method}/" in run}
        assert overlaid["Levels of one method", f"method={method}: stepwise return"] == of_method
    assert len(charts) == 2 * 2 + 2 * 2


def test_every_evaluation_has_a_policy_map_and_the_text_repeats_the_run(server: str) -> None:
    run = quote(f"{LEVEL}/routing/seed=0")
    images = fetch(server, f"/data/plugin/images/images?run={run}&tag=policy_map&sample=0")
    assert [image["step"] for image in images] == [0, 1024, 2048, 3072, 4096]
    with urllib.request.urlopen(f"{server}/data/plugin/images/individualImage?{images[-1]['query']}") as answer:
        width, height = Image.open(io.BytesIO(answer.read())).size
    assert width > 2 * height  # three gates side by side
    text = fetch(server, f"/data/plugin/text/text?run={run}&tag={quote('run/command/text_summary')}")[0]["text"]
    assert "oversight-gym train --method routing --oversight 0.3 --seed 0 --preset fast" in text
    config = fetch(server, f"/data/plugin/text/text?run={run}&tag={quote('run/config/text_summary')}")[0]["text"]
    assert "total_timesteps" in config


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's package chromium")
def test_a_browser_shows_the_curves_of_two_levels_on_one_chart(server: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{server}/#custom_scalars")
        title = "method=routing: stepwise return"
        chart = page.locator("tf-custom-scalar-multi-line-chart-card", has_text=title).first
        chart.scroll_into_view_if_needed(timeout=60_000)
        chart.get_by_text("Matches (2)").wait_for(timeout=60_000)
        for level in ("oversight=0.10", LEVEL):
            chart.get_by_text(f"{level}/routing/seed=0").wait_for(state="attached", timeout=60_000)
        curves = chart.locator("svg path")
        wait_for(lambda: sum(len(curve.get_attribute("d") or "") > 20 for curve in curves.all()) >= 2)
        browser.close()


def test_wrong_folders_and_ports_end_in_a_sentence(undisturbed: Path, server: str, tmp_path: Path) -> None:
    port = server.rpartition(":")[2]
    cases = [
        ([tmp_path / "nowhere"], "is not a folder"),
        ([tmp_path], "no TensorBoard events"),
        ([undisturbed, "--port", port], "choose another --port"),
    ]
    for words, sentence in cases:
        done = command("tensorboard", *words)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_server_ends_on_ctrl_c(undisturbed: Path) -> None:
    words = [sys.executable, "-m", "oversight_gym", "tensorboard", str(undisturbed), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        with contextlib.suppress(StopIteration):
            next(line for line in process.stderr if " at http" in line)
        process.send_signal(2)
        try:
            rest = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert "Traceback" not in rest

"""Shared fixtures: one small finished run, and a way to call the command line."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from forked import run_forked
from hypothesis import settings

from oversight_gym.cli.main import main
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run
from oversight_gym.runs.record import write_finished
from oversight_gym.runs.train import train
from oversight_gym.runs.version import RESULTS_VERSION
from oversight_gym.sweeps.plan import SweepConfig
from oversight_gym.sweeps.sweep import sweep

torch.set_num_threads(1)
settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("untimed")
os.fsync = lambda _: None  # files of tests need not outlast the machine; test_files sees to it that others do
# Ignored where tests are started in the background, and then by every program that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

SMALL = {"total_timesteps": 4096, "num_envs": 32, "n_steps": 32, "batch_size": 256, "layers": (32, 32)}


def small_config(folder: Path, **values: object) -> TrainConfig:
    return TrainConfig.of(**{**SMALL, "oversight": 0.5, "evaluations": 2, "run_dir": folder, **values})


TINIEST = {"total_timesteps": 512, "num_envs": 8, "n_steps": 16, "batch_size": 64, "layers": (8,), "size": (2, 2)}


def tiniest_config(folder: Path, **values: object) -> TrainConfig:
    """A run of four rollouts, which takes a fifth of a second."""
    networks = {"gate_layers": (8,), "value_layers": (8,)}
    return TrainConfig.of(**{**TINIEST, **networks, "oversight": 0.5, "evaluations": 2, "run_dir": folder, **values})


def tiniest_words(folder: Path) -> list[object]:
    """The words of a command line after ``train`` that ask for the same."""
    sizes = {**TINIEST, "gate_layers": (8,), "value_layers": (8,), "oversight": 0.5, "evaluations": 2}
    words: list[object] = ["--run-dir", folder]
    for name, value in sizes.items():
        words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else (value,))]
    return words


@pytest.fixture(scope="session")
def tiniest_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its folder is not to be written to."""
    return train(tiniest_config(tmp_path_factory.mktemp("tiniest") / "run"))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(small_config(tmp_path_factory.mktemp("runs") / "routing"))


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line, called in this process: starting another takes seconds."""
    out, err = io.StringIO(), io.StringIO()
    words, status = ["oversight-gym", *map(str, arguments)], 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own; with a changed environment also its imports are its own."""
    words = ["-m", "oversight_gym", *map(str, arguments)]
    if not environment:
        return run_forked(words)
    own = [sys.executable, *words]
    return subprocess.run(own, capture_output=True, text=True, timeout=300, check=False, env=os.environ | environment)


TINY = (
    "total_timesteps=4096",
    "num_envs=32",
    "n_steps=32",
    "batch_size=256",
    "layers=[32,32]",
    "evaluations=4",
    "size=[3,3]",
)


def tiny(out: Path, **values: Any) -> SweepConfig:
    """A sweep of four runs that take a second each."""
    chosen = {"methods": ("routing", "naive"), "oversight": (0.1, 0.3), "seeds": 1, "set": TINY, **values}
    return SweepConfig(out=out, **chosen)


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder for all processes of tests, filled by the first that asks for it; not to be written to."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            made = folder.with_suffix(".part")
            shutil.rmtree(made, ignore_errors=True)
            make(made)
            made.rename(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished sweep."""

    def make(out: Path) -> None:
        assert sweep(tiny(out)) == []

    return shared(tmp_path_factory, "undisturbed", make)


def copy_as(
    source: Path,
    target: Path,
    gate: str,
    returns: list[float],
    again: float | None = None,
    version: int = RESULTS_VERSION,
    **config: object,
) -> None:
    """A finished run like ``source``, of another seed or level, whose policy ends with the last of these returns.

    With ``again`` the last evaluation is there a second time, with this return.
    """
    shutil.copytree(source, target)
    stored = json.loads((target / "config.json").read_text())
    stored["config"] |= config
    (target / "config.json").write_text(json.dumps(stored))
    with (target / "evaluations.csv").open() as file:
        rows = list(csv.DictReader(file))[: len(returns)]
    for row, value in zip(rows, returns, strict=True):
        row[f"{gate}/return_stepwise"] = str(value)
    if again is not None:
        rows.append(rows[-1] | {f"{gate}/return_stepwise": str(again)})
    with (target / "evaluations.csv").open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    record = json.loads((target / "finished.json").read_text())
    write_finished(target, record | {"results_version": version})  # with the digests of the new files


NAIVE = [0.1, 0.2, 0.3, 0.4, 0.9]
ROUTING = [0.3, 0.5, 0.4, 0.8, 0.7]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small finished run of two methods on a 3 x 3 grid, of five evaluations each; not to be written to."""
    folder = tmp_path_factory.mktemp("trained")
    settings = {"size": (3, 3), "oversight": 0.3, "evaluations": 4}
    methods = ("routing", "naive")
    return {method: train(small_config(folder / method, method=method, **settings)).folder for method in methods}


@pytest.fixture(scope="session")
def made_runs(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seeds of two methods with known returns at one level, one seed at another; not to be written to."""
    folder = tmp_path_factory.mktemp("compare")
    for method, gate, values in (("routing", "diamond", ROUTING), ("naive", "free", NAIVE)):
        for seed, value in enumerate(values):
            copy_as(trained[method], folder / f"{method}-{seed}", gate, [0.0, value], seed=seed)
        copy_as(trained[method], folder / f"{method}-low", gate, [0.0, 0.05], oversight=0.01)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opens(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of a run; what its scripts complain of fails the test."""
    from browsing import Opened

    from oversight_gym.browser.export import page_of

    complaints: list[str] = []

    def open_page(run: Run, content: str | None = None, **how: Any) -> Any:
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

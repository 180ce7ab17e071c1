"""Shared fixtures: one small finished run, and a way to call the command line."""

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch

from oversight_gym.cli.main import main
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import train
from oversight_gym.sweeps.plan import SweepConfig
from oversight_gym.sweeps.sweep import sweep

torch.set_num_threads(1)
# Ignored where tests are started in the background, and then by every program that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

SMALL = {"total_timesteps": 4096, "num_envs": 32, "n_steps": 32, "batch_size": 256, "layers": (32, 32)}


def small_config(folder: Path, **values: object) -> TrainConfig:
    return TrainConfig.of(**{**SMALL, "oversight": 0.5, "evaluations": 2, "run_dir": folder, **values})


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
    """The command line as a process of its own."""
    words = [sys.executable, "-m", "oversight_gym", *map(str, arguments)]
    environ = os.environ | environment
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=environ)


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished sweep; not to be written to."""
    out = tmp_path_factory.mktemp("sweep") / "undisturbed"
    assert sweep(tiny(out)) == []
    return out

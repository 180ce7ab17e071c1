"""Whatever breaks in the middle of a run - the process, the disk, the folder - loses nothing and is named."""

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import command, process, tiniest_config, tiniest_words
from test_run_life import assert_same_run, before_update, send

from oversight_gym.envs import RequestError
from oversight_gym.runs.contents import EVENTS
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.stopping import Interrupted
from oversight_gym.runs.train import train

TESTS = Path(__file__).parent


def crash(scratch: Path, how: str, number: int) -> dict[str, Any]:
    words = [sys.executable, "crashing.py", str(scratch), how, str(number)]
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=TESTS, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# ---- the process ---------------------------------------------------------------------------------------------------


def test_a_run_killed_at_a_file_operation_ends_as_one_that_was_not(tmp_path: Path) -> None:
    found = crash(tmp_path, "operations", 8)
    assert found["wrong"] == {}
    assert found["tried"] >= 8


@pytest.mark.slow
def test_a_run_killed_at_any_file_operation_ends_as_one_that_was_not(tmp_path: Path) -> None:
    found = crash(tmp_path, "operations", 1)
    assert found["wrong"] == {}
    assert found["tried"] == found["moments"]


@pytest.mark.slow
def test_a_run_killed_at_fifty_moments_ends_as_one_that_was_not(tmp_path: Path) -> None:
    found = crash(tmp_path, "moments", 50)
    assert found["wrong"] == {}
    assert found["tried"] > 25


def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    values = {"total_timesteps": 4096, "evaluations": 32}
    folder, words = tmp_path / "run", ["--total-timesteps", "4096", "--evaluations", "32"]
    arguments = [sys.executable, "-m", "oversight_gym", "train", *map(str, tiniest_words(folder)), *words]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as started:
        while not (folder / "checkpoint.safetensors").exists():
            assert started.poll() is None
            time.sleep(0.01)
        started.kill()
    assert not (folder / "finished.json").exists()
    train(tiniest_config(folder, resume=True, **values))
    assert_same_run(folder, train(tiniest_config(tmp_path / "whole", **values)).folder)


# ---- the disk ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def failing_write(number: int, code: int) -> Iterator[None]:
    """Let the write of that number fail as the system would."""
    count = 0

    def fsync(_: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise OSError(code, os.strerror(code))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@pytest.mark.parametrize("number", [1, 3, 4, 6, 8, 11, 14, 16])
def test_a_disk_that_is_full_at_any_write_costs_a_sentence(number: int, tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with failing_write(number, errno.ENOSPC):
        ended = command("train", *tiniest_words(folder))
    assert ended.returncode == 2
    assert ended.stderr == (
        f"oversight-gym: {folder} cannot be written (No space left on device); mend that or choose another --run-dir.\n"
    )
    with contextlib.suppress(RequestError):
        load_run(folder)  # finished, or a sentence
    again = command("train", *tiniest_words(folder), "--resume")
    assert again.returncode == 0, again.stderr
    assert_same_run(folder, tiniest_run.folder)


def test_events_that_cannot_be_written_cost_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"

    def block(_: object) -> None:
        (path,) = folder.glob(EVENTS)
        path.unlink()
        path.mkdir()

    with before_update(1, block):
        ended = command("train", *tiniest_words(folder))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in capfd.readouterr().err  # of a thread


def test_a_folder_that_cannot_be_written_costs_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("oversight_gym.runs.lock.FileLock", refused)
    ended = command("train", *tiniest_words(tmp_path / "run"))
    assert ended.returncode == 2
    assert "cannot be written (Read-only file system)" in ended.stderr


@pytest.mark.parametrize("update", [0, 3])
def test_a_folder_that_is_deleted_under_a_run_costs_a_sentence(update: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with before_update(update, lambda _: shutil.rmtree(folder)):
        ended = command("train", *tiniest_words(folder))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert not folder.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_disk_that_is_really_full_or_read_only(small_disk: Path, tiniest_run: Run) -> None:
    folder = small_disk / "run"
    ended = process("train", *tiniest_words(folder))
    assert ended.returncode == 2, ended.stdout
    assert ended.stderr.count("\n") == 1
    assert "cannot be written (No space left on device)" in ended.stderr
    subprocess.run(["mount", "-o", "remount,size=9m,ro", small_disk], check=True)
    ended = process("train", *tiniest_words(folder), "--resume")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "cannot be written (Read-only file system)" in ended.stderr
    subprocess.run(["mount", "-o", "remount,size=9m,rw", small_disk], check=True)
    assert process("train", *tiniest_words(folder), "--resume").returncode == 0
    assert_same_run(folder, tiniest_run.folder)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "return stepwise" in process("train", *tiniest_words(folder), "--resume").stdout
    assert process("evaluate", folder).returncode == 0


# ---- the clock -----------------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_changes_nothing(
    tiniest_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, now = tmp_path / "run", time.time()
    with before_update(2, send(15)), pytest.raises(Interrupted):
        train(tiniest_config(folder))
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    train(tiniest_config(folder, resume=True))
    assert_same_run(folder, tiniest_run.folder)  # the curves, which are read in the order of the files' names, too


# ---- the page that lists all this ----------------------------------------------------------------------------------


def test_every_command_of_the_reliability_page_finds_a_test() -> None:
    page = (TESTS.parent / "docs" / "reliability.md").read_text()
    commands = re.findall(r"`pytest (?:-m slow )?((?:tests/\w+\.py ?)+)(?:-k ([\w]+|\"[\w ]+\"))?`", page)
    assert len(commands) == page.count("`pytest ")
    for files, expression in commands:
        names = [
            name for file in files.split() for name in re.findall(r"def (test_\w+)", (TESTS.parent / file).read_text())
        ]
        for word in expression.strip('"').split(" or "):
            assert any(word in name for name in names), (files, word)

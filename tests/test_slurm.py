"""A sweep as SLURM jobs on a real cluster of one node, some killed midway, gives the local executor's results."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slurm_cluster
from conftest import TINY, command, tiny
from slurm_cluster import ask, wait_until
from test_sweep import assert_same_results

from oversight_gym.runs.stopping import Interrupted, signals_noted
from oversight_gym.sweeps import slurm
from oversight_gym.sweeps.sweep import sweep

pytest.importorskip("submitit")
needs_slurm = pytest.mark.skipif(
    bool(slurm_cluster.missing()), reason="needs Debian's packages slurmctld, slurmd, slurm-client and munge"
)
LONG = {"oversight": (0.3,), "seeds": 2, "methods": ("routing",), "set": ("total_timesteps=60000", *TINY[1:])}
ON_SLURM = {"executor": "slurm", "memory": 0.5}
MID_RUN = "checkpoint.safetensors"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm")) as conf, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(conf))
        patch.setattr(slurm, "SECONDS_BETWEEN_QUESTIONS", 1.0)
        yield


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sweep by the local executor."""
    out = tmp_path_factory.mktemp("local") / "out"
    assert sweep(tiny(out, **LONG)) == []
    return out


def checkpoints(out: Path) -> list[Path]:
    return sorted(out.rglob(MID_RUN))


def queued() -> list[str]:
    return ask("squeue", "--noheader", "--array", "--format=%i").split()


@needs_slurm
@pytest.mark.slow
def test_a_pre_empted_and_a_killed_job_change_nothing(cluster: None, local: Path, tmp_path: Path) -> None:
    out, failed = tmp_path / "out", []
    config = tiny(out, **LONG, **ON_SLURM)
    driver = threading.Thread(target=lambda: failed.extend(sweep(config)), daemon=True)
    driver.start()
    wait_until(lambda: len(checkpoints(out)) == 2)
    first, second = sorted(queued())
    ask("scancel", "--signal=USR2", first)  # what SLURM sends before a time limit, and a site before it pre-empts
    at = ask("scontrol", "show", "job", second)
    number = re.search(r"JobId=(\d+)", at)
    assert number is not None
    for line in ask("scontrol", "listpids", number[1]).splitlines()[1:]:
        pid = int(line.split()[0])
        if b"submitit" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    driver.join(timeout=200)
    assert not driver.is_alive()
    assert failed == []
    assert_same_results(out, local)
    log = (out / "slurm" / f"{first}_0_log.out").read_text()
    assert log.count("Starting with") == 2
    assert "Requeued job" in log
    assert len(list((out / "slurm").glob("*_submission.sh"))) == 2  # what was killed was submitted once more
    wait_until(lambda: queued() == [])


@needs_slurm
@pytest.mark.slow
def test_the_driver_may_be_killed_or_interrupted(cluster: None, local: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words: list[Any] = ["sweep", "--executor", "slurm", "--memory", 0.5, "--out", out, "--methods", "routing"]
    words += ["--oversight", 0.3, "--seeds", 2, "--set", *LONG["set"]]

    def driver() -> "subprocess.Popen[str]":
        call = [sys.executable, "-m", "oversight_gym", *map(str, words)]
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with driver() as killed:
        wait_until(lambda: len(checkpoints(out)) == 2)
        before = sorted(queued())
        killed.kill()
    with driver() as interrupted:
        wait_until(lambda: "sweep" in Path(f"/proc/{interrupted.pid}/cmdline").read_text())
        assert interrupted.stdout is not None
        next(line for line in interrupted.stdout if "estimate" in line)
        assert sorted(queued()) == before  # the jobs of the first driver
        interrupted.send_signal(signal.SIGINT)
        interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert queued() == []
    assert not list(out.rglob("finished.json"))
    assert sweep(tiny(out, **LONG, **ON_SLURM)) == []
    assert_same_results(out, local)


@needs_slurm
@pytest.mark.slow
def test_what_slurm_refuses_ends_in_a_sentence(cluster: None, tmp_path: Path) -> None:
    words = ["--methods", "routing", "--oversight", 0.3, "--seeds", 1, "--out", tmp_path / "out", "--set", *TINY]
    done = command("sweep", "--executor", "slurm", "--partition", "nowhere", *words)
    assert done.returncode == 2
    assert "SLURM refused the jobs (" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("heard", "tries", "queued_again"), [(signal.SIGTERM, 2, []), (signal.SIGINT, 1, []), (signal.SIGUSR2, 1, [1])]
)
def test_a_job_answers_each_signal_in_its_way(
    heard: signal.Signals, tries: int, queued_again: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, again = [], []

    def attempt(config: dict[str, Any]) -> int:
        made.append(config)
        with signals_noted() as asked:
            if len(made) == 1:
                signal.raise_signal(heard)
            if number := asked():
                raise Interrupted(number, "a checkpoint is there")
        return 0

    monkeypatch.setattr(slurm, "attempt", attempt)
    before = signal.signal(signal.SIGUSR2, lambda *_: again.append(len(made)))  # in place of submitit's
    try:
        slurm.Task({"seed": 0})()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert made == tries * [{"seed": 0}]
    assert again == queued_again


def test_without_extra_or_slurm_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["sweep", "--out", tmp_path / "out", "--executor", "slurm"]
    assert "gpus is 0.5, and SLURM gives whole ones" in command(*words, "--gpus", 0.5).stderr
    monkeypatch.setenv("PATH", "")
    done = command(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "sbatch is not found here" in done.stderr
    monkeypatch.setitem(sys.modules, "submitit", None)
    done = command(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'oversight-gym[slurm]'" in done.stderr
    assert not (tmp_path / "out").exists()

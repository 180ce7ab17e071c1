"""Sweeps: what they plan, that they finish whatever is killed, and that what they leave behind is right."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from conftest import TINY, command, tiny
from test_resume import curves, table

from oversight_gym.envs import RequestError
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CHECKPOINT, CONFIG, FINISHED, LOCK, MODEL
from oversight_gym.runs.folder import load_run
from oversight_gym.sweeps.estimate import Cost
from oversight_gym.sweeps.local import Job, run_locally
from oversight_gym.sweeps.plan import SweepConfig, options_of, runs_of
from oversight_gym.sweeps.progress import Progress
from oversight_gym.sweeps.sweep import sweep


def words(config: SweepConfig) -> list[str]:
    levels = [str(level) for level in config.oversight]
    return [
        *("sweep", "--out", str(config.out), "--methods", *config.methods, "--oversight", *levels),
        *("--seeds", str(config.seeds), "--set", *config.set),
    ]


def finished(out: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(out)) for path in out.rglob(FINISHED))


def assert_same_results(out: Path, expected: Path) -> None:
    assert finished(out) == finished(expected)
    for name in finished(expected):
        assert (out / name / "model.safetensors").read_bytes() == (expected / name / "model.safetensors").read_bytes()
        for file in ("evaluations.csv", "progress.csv"):
            assert table(out / name / file) == table(expected / name / file)
        assert curves(out / name) == curves(expected / name)


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("learning_rate=0.001", "learning_rate", [0.001]),
        ("learning-rate=0.001,0.01", "learning_rate", [0.001, 0.01]),
        ("gate_coef=[0.1, 0.2]", "gate_coef", [0.1, 0.2]),
        ("layers=[64, 32]", "layers", [(64, 32)]),
        ("layers=64,32", "layers", [(64, 32)]),
        ("layers=64", "layers", [(64,)]),
        ("layers=[[64], [32, 32]]", "layers", [(64,), (32, 32)]),
        ("gate_layers=[]", "gate_layers", [()]),
        ("walls=none,border", "walls", ["none", "border"]),
        ("anneal=false", "anneal", [False]),
        ("anneal=False", "anneal", [False]),
        ("ghost_penalty=none,-2", "ghost_penalty", [None, -2.0]),
    ],
)
def test_settings_to_sweep_over(text: str, name: str, values: list[object]) -> None:
    assert options_of(text) == (name, values)


def test_the_runs_of_a_sweep() -> None:
    runs = runs_of(tiny(Path("out"), oversight=(0.003, 0.1, 1.0), seeds=2, set=("gate_coef=0.1,0.01", "size=[4,6]")))
    assert len(runs) == 2 * 3 * 2 * 2
    assert "oversight=0.003/routing/gate_coef=0.01/seed=1" in runs
    levels = list(dict.fromkeys(name.split("/")[0] for name in runs))
    assert levels == sorted(levels) == ["oversight=0.003", "oversight=0.10", "oversight=1.00"]
    run = runs["oversight=0.10/naive/gate_coef=0.1/seed=0"]
    assert (run.method, run.oversight, run.seed, run.hyper.gate_coef) == ("naive", 0.1, 0, 0.1)
    assert (run.hyper.size, run.threads, run.folder) == (
        (4, 6),
        1,
        Path("out/oversight=0.10/naive/gate_coef=0.1/seed=0"),
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--methods", "magic"], "method is 'magic'"),
        (["--oversight", "1.2"], "oversight is (1.2,); give a list of 1 or more, each a number from 0 to 1"),
        (["--seeds", "0"], "seeds is 0"),
        (["--set", "colour=3"], "'colour' is not a training setting"),
        (["--set", "gate_coef"], "write NAME=VALUE"),
        (["--set", "seed=3"], "'seed' is not a training setting"),
        (["--set", "gate_coef=much"], "gate_coef is 'much'; give a finite number of at least 0"),
        (["--set", "anneal=maybe"], "anneal is 'maybe'; give true or false"),
        (["--set", "device=5"], "device is 5; give text"),
        (["--set", "learning_rat=5"], "the nearest is 'learning_rate'"),
        (["--set", "size=[4,5,6]"], "size is [4, 5, 6]; give 2 values, each an integer"),
        (["--config", "missing.toml"], "missing.toml cannot be read"),
        (["--executor", "ray", "--address", "127.0.0.1:1"], "no Ray cluster was found"),
    ],
)
def test_impossible_sweeps_end_in_a_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = command("sweep", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_toml_file_is_a_sweep_and_options_go_first(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(
        f'out = "{tmp_path / "out"}"\nmethods = ["naive"]\noversight = [0.1, 0.3]\nseeds = 3\n'
        "[set]\ntotal_timesteps = 2048\ngate_coef = [0.1, 0.2]\nlayers = [16, 16]\n"
    )
    config = SweepConfig.from_toml(file)
    assert len(runs_of(config)) == 2 * 3 * 2
    shown = command("sweep", "--config", file, "--seeds", "1", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "4 runs, 0 of them finished; 8,192 steps" in shown.stdout
    assert "estimate" in shown.stdout
    assert finished(tmp_path / "out") == []
    file.write_text("[set]\nanneal = 'False'\n")
    with pytest.raises(RequestError, match="anneal is 'False'; give true or false"):
        runs_of(SweepConfig.from_toml(file))
    file.write_text("seeds = 'three'\n")
    with pytest.raises(RequestError, match="seeds is 'three'; give an integer"):
        SweepConfig.from_toml(file)
    file.write_text("colour = 3\n")
    with pytest.raises(RequestError, match="'colour' is not a setting of a sweep"):
        SweepConfig.from_toml(file)


def test_a_finished_sweep_is_left_as_it_is(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.safetensors")}
    shown = command(*words(tiny(undisturbed)))
    assert shown.returncode == 0, shown.stderr
    assert "4 runs, 4 of them finished; 0 steps" in shown.stdout
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.safetensors")} == before
    other = command(*words(tiny(undisturbed, set=(*TINY, "gamma=0.9"))))
    assert other.returncode == 2
    assert "was trained with gamma 0.97, not 0.9" in other.stderr


def start(out: Path) -> "subprocess.Popen[str]":
    """A driver that knows what its runs cost, as from an earlier call, and so has nothing to probe."""
    if not (out / "sweep.json").exists():
        out.mkdir()
        costs = dict.fromkeys(("routing", "naive"), asdict(Cost(1.0, 0.0, 0.0, 1.0, 1.0)))
        (out / "sweep.json").write_text(json.dumps({"sweep": {"preset": "fast", "set": TINY}, "costs": costs}))
    arguments = [sys.executable, "-m", "oversight_gym", *words(tiny(out))]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_a_run(driver: "subprocess.Popen[str]", out: Path) -> list[int]:
    """Wait until a run of the sweep, not the probe, is being trained; process numbers of the workers."""
    while not list(out.rglob("checkpoint.safetensors")):
        assert driver.poll() is None
        time.sleep(0.02)
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(driver.pid)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in listed.stdout.split()]


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 10
    listing = ["ps", "-o", "stat=", "-p", ",".join(map(str, processes))]
    while not set(subprocess.run(listing, capture_output=True, text=True, check=False).stdout) <= set("Z+l\n s"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_driver_killed_at_twenty_moments_loses_nothing(undisturbed: Path, tmp_path: Path) -> None:
    out, rng, kept = tmp_path / "out", random.Random(0), []
    for _ in range(20):
        with start(out) as driver:
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(rng.uniform(0.3, 3.5))
            driver.kill()
        now = finished(out)
        assert set(kept) <= set(now)
        kept = now
        for name in now:
            load_run(out / name)  # whatever looks finished is
    assert sweep(tiny(out)) == []
    assert_same_results(out, undisturbed)


def test_a_killed_driver_takes_its_workers_along_and_loses_nothing(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(out) as driver:
        workers = wait_for_a_run(driver, out)
        driver.kill()
    assert workers
    wait_until_gone(workers)
    assert sweep(tiny(out)) == []
    assert_same_results(out, undisturbed)
    assert leftovers(out) == []


def leftovers(out: Path) -> list[Path]:
    """Files that no finished sweep has."""
    return [path for path in out.rglob("*") if path.suffix == ".part" or path.name in (CHECKPOINT, LOCK)]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_driver_lets_its_workers_leave_checkpoints(number: int, status: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(out) as driver:
        workers = wait_for_a_run(driver, out)
        driver.send_signal(number)
        said = driver.communicate(timeout=200)[1]
    wait_until_gone(workers)
    assert driver.returncode == status
    assert "the same command goes on where it stopped" in said
    assert "Traceback" not in said
    logs = [path.read_text() for path in (out / "logs").iterdir()]
    assert any("stopped at step" in text or not text for text in logs)
    for name in (path.parent for path in out.rglob(CONFIG)):
        assert (name / CHECKPOINT).exists() or (name / FINISHED).exists() or not list(name.glob("*.safetensors"))
    assert not list(out.rglob(LOCK))


def test_a_sweep_heals_finished_runs_that_are_damaged(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    model, cut, flipped, whole = (out / name for name in finished(out))
    (model / MODEL).unlink()
    (cut / MODEL).write_bytes((cut / MODEL).read_bytes()[:1000])
    (flipped / "evaluations.csv").write_text((flipped / "evaluations.csv").read_text().replace("4096", "4097"))
    before = (whole / MODEL).stat().st_mtime_ns
    done = command(*words(tiny(out)))
    assert done.returncode == 0, done.stdout
    assert "4 runs, 1 of them finished" in done.stdout
    assert_same_results(out, undisturbed)
    assert (whole / MODEL).stat().st_mtime_ns == before
    logs = [path.read_text() for path in (out / "logs").iterdir()]
    assert sum("It is trained again now" in text for text in logs) == 3


def test_a_sweep_leaves_a_file_alone_that_it_has_not_written(tmp_path: Path) -> None:
    for content in ("precious", "[1]", '{"sweep": 1}', "[" * 100_000):
        (tmp_path / "sweep.json").write_text(content)
        done = command(*words(tiny(tmp_path)))
        assert done.returncode == 2
        assert "was not written by a sweep" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]
        assert (tmp_path / "sweep.json").read_text() == content


def test_a_run_that_diverges_is_reported_once_and_the_others_go_on(tmp_path: Path) -> None:
    rates = (*TINY, "learning_rate=0.001,1e30")
    for _ in range(2):  # the second call knows
        done = command(*words(tiny(tmp_path, methods=("naive",), oversight=(0.3,), set=rates)))
        assert done.returncode == 1
        assert "learning_rate=1e+30/seed=0 failed" in done.stdout
        assert "training diverged by step 1,024" in done.stdout
        assert "to be tried once more" not in done.stdout
        assert "1 of 2 runs failed" in done.stdout
        assert len(finished(tmp_path)) == 1


def test_a_killed_worker_is_retried_once(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(out) as driver:
        os.kill(wait_for_a_run(driver, out)[0], signal.SIGKILL)
        shown = driver.communicate(timeout=200)[0]
    assert driver.returncode == 0
    assert "to be tried once more" in shown
    assert_same_results(out, undisturbed)


def test_failures_are_reported_with_their_logs(tmp_path: Path) -> None:
    config = tiny(tmp_path / "out", oversight=(0.3,))
    blocked = tmp_path / "out" / "oversight=0.30" / "naive" / "seed=0"
    blocked.mkdir(parents=True)
    (blocked / "thesis.tex").write_text("precious")
    done = command(*words(config))
    assert done.returncode == 1
    assert "oversight=0.30/naive/seed=0 failed; the end of" in done.stdout
    assert "is no run folder" in done.stdout
    assert "1 of 2 runs failed" in done.stdout
    assert finished(tmp_path / "out") == ["oversight=0.30/routing/seed=0"]
    assert (blocked / "thesis.tex").read_text() == "precious"


def test_two_drivers_do_not_share_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(out) as first:
        wait_for_a_run(first, out)
        second = command(*words(tiny(out)))
        first.kill()
    assert second.returncode == 2
    assert "is being swept by another process" in second.stderr


def test_a_job_that_cannot_even_be_started_has_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    run = TrainConfig.of(run_dir=tmp_path / "run")
    attempts = run_locally([Job("a", run, tmp_path / "file" / "log"), Job("b", run, tmp_path / "file" / "log")], 2)
    with ThreadPoolExecutor() as pool:
        found = pool.submit(lambda: list(attempts)).result(timeout=20)
    assert sorted((attempt.job.name, attempt.succeeded) for attempt in found) == [("a", False), ("b", False)]
    assert all("file" in attempt.reason for attempt in found)


def test_the_time_left_is_that_of_the_runs_to_come() -> None:
    for runs in range(1, 60):
        progress = Progress({str(run): 0.1 * (run + 1) for run in range(runs)}, done=0, slots=2)
        assert progress.seconds_left() == pytest.approx(sum(progress.weights.values()) / 2)
        for name in list(progress.weights):
            progress.finished(name)
            assert 0 <= progress.seconds_left() < 60
        assert progress.seconds_left() == 0


def test_the_plan_is_kept(undisturbed: Path) -> None:
    plan = json.loads((undisturbed / "sweep.json").read_text())
    assert plan["sweep"]["methods"] == ["routing", "naive"]
    assert all(cost["seconds_per_step"] > 0 for cost in plan["costs"].values())

"""The life of a run: what may be deleted and what not, who may train where, how it ends early and goes on."""

import json
import logging
import os
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from conftest import command, tiniest_config, tiniest_words
from safetensors.torch import load_file, save_file
from test_resume import curves, table

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import RequestError
from oversight_gym.runs.contents import CHECKPOINT, CONFIG, FAILED, FINISHED, LOCK, MODEL
from oversight_gym.runs.folder import Run, load_run, stored_versions
from oversight_gym.runs.lock import locked
from oversight_gym.runs.record import write_finished
from oversight_gym.runs.stopping import Interrupted, RunFailed
from oversight_gym.runs.train import train


@contextmanager
def before_update(number: int, action: Callable[[RoutedPPO], object]) -> Iterator[None]:
    """Do something before the update of that number."""
    update, count = RoutedPPO.train, 0

    def train_then(self: RoutedPPO) -> None:
        nonlocal count
        if count == number:
            action(self)
        count += 1
        update(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoutedPPO, "train", train_then)
        yield


def send(number: int) -> Callable[[object], None]:
    return lambda _: os.kill(os.getpid(), number)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "events" not in path.name}


def difference(one: Path, other: Path) -> list[str]:
    """What is not the same of two finished runs, or was left behind."""
    weights = [name for name in names(other) if name.endswith(".safetensors")]
    found = [f"{name} differs" for name in weights if (one / name).read_bytes() != (other / name).read_bytes()]
    tables = ("evaluations.csv", "progress.csv")
    found += [f"{name} differs" for name in tables if table(one / name) != table(other / name)]
    found += ["the curves differ"] * (curves(one) != curves(other))
    return found + [f"{name} is not in both" for name in names(one) ^ names(other)]


def assert_same_run(one: Path, other: Path) -> None:
    assert difference(one, other) == []


# ---- interrupted, resumed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_and_the_command_that_goes_on(number: int, status: int, tmp_path: Path) -> None:
    values = {"method": "routing_then_filter", "select": "oracle", "evaluations": 2}
    whole = train(tiniest_config(tmp_path / "whole", **values)).folder
    folder = tmp_path / "a run"
    before = signal.getsignal(number)
    with before_update(2, send(number)):
        ended = command("train", "--method", "routing_then_filter", "--select", "oracle", *tiniest_words(folder))
    assert signal.getsignal(number) == before
    assert ended.returncode == status
    assert ended.stderr.count("\n") == 1
    assert "stopped at step 384 of 512; go on with: oversight-gym train --from" in ended.stderr  # between evaluations
    assert names(folder) == {CONFIG, CHECKPOINT, "evaluations.csv", "progress.csv"}
    told = ended.stderr.split("oversight-gym train ")[1]
    assert command("train", *shlex.split(told)).returncode == 0
    assert_same_run(folder, whole)


def test_a_second_sigint_ends_at_once(tmp_path: Path) -> None:
    twice = before_update(1, lambda _: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)])
    with twice, pytest.raises(KeyboardInterrupt) as ended:
        train(tiniest_config(tmp_path / "run"))
    assert not isinstance(ended.value, Interrupted)
    assert (tmp_path / "run" / CHECKPOINT).exists()


def test_a_signal_that_comes_after_the_last_rollout_finds_the_run_finished(tmp_path: Path) -> None:
    with before_update(3, send(signal.SIGTERM)), pytest.raises(Interrupted, match="had finished before") as ended:
        train(tiniest_config(tmp_path / "run"))
    assert ended.value.status == 143
    assert load_run(tmp_path / "run").record["steps"] == 512


def test_training_in_a_thread_leaves_signals_alone(tmp_path: Path) -> None:
    failed = []

    def run() -> None:
        try:
            train(tiniest_config(tmp_path / "run"))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failed == []
    assert load_run(tmp_path / "run").record["steps"] == 512


def test_no_evaluation_is_written_twice_where_evaluations_are_more_than_rollouts(tmp_path: Path) -> None:
    values = {"evaluations": 7}
    whole = train(tiniest_config(tmp_path / "whole", **values)).folder
    assert [row["step"] for row in table(whole / "evaluations.csv")] == ["0", "128", "256", "384", "512"]
    folder = tmp_path / "run"
    for update in range(2):
        with before_update(update, send(signal.SIGTERM)), pytest.raises(Interrupted):
            train(tiniest_config(folder, resume=True, **values))
    train(tiniest_config(folder, resume=True, **values))
    assert_same_run(folder, whole)


def test_a_finished_run_is_finished(tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    (folder / CHECKPOINT).write_bytes(b"left by a process that was killed after the completion record")
    (folder / ".model.safetensors.17.part").write_bytes(b"likewise")
    before = {path: path.stat().st_mtime_ns for path in tiniest_run.folder.iterdir()}
    again = command("train", *tiniest_words(folder), "--resume")
    assert again.returncode == 0, again.stderr
    assert f"{folder} is finished" in again.stdout
    assert_same_run(folder, tiniest_run.folder)
    assert {path: path.stat().st_mtime_ns for path in tiniest_run.folder.iterdir()} == before
    other = command("train", *tiniest_words(folder), "--resume", "--gamma", 0.5)
    assert other.returncode == 2
    assert "was trained with gamma 0.97, not 0.5" in other.stderr
    longer = command("train", *tiniest_words(folder), "--resume", "--total-timesteps", 1024)
    assert longer.returncode == 2
    assert f"train another with --from {folder}, --total-timesteps 1024 and another --run-dir" in longer.stderr


def test_other_versions_are_noticed_and_the_record_of_the_first_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    found = {"torch": "1.0", "numpy": "2.0"}
    monkeypatch.setattr("oversight_gym.runs.train.versions", lambda: dict(found))
    with before_update(1, send(signal.SIGTERM)), pytest.raises(Interrupted):
        train(tiniest_config(folder))
    with before_update(0, send(signal.SIGTERM)), pytest.raises(Interrupted):
        train(tiniest_config(folder, resume=True))
    assert caplog.messages == []
    found["torch"] = "1.1"
    with caplog.at_level(logging.WARNING):
        train(tiniest_config(folder, resume=True))
    assert caplog.messages == [f"{folder} goes on at step 384 with other versions: torch 1.0 (now 1.1)."]
    assert stored_versions(folder) == [{"torch": "1.0", "numpy": "2.0"}, {"torch": "1.1", "numpy": "2.0"}]
    stored = json.loads((folder / CONFIG).read_text())
    assert stored["versions"]["torch"] == "1.0"
    assert [part["step"] for part in stored["resumed"]] == [384]
    assert stored["results_version"] == json.loads((folder / FINISHED).read_text())["results_version"]


def test_a_run_of_another_results_version_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    with before_update(1, send(signal.SIGTERM)), pytest.raises(Interrupted):
        train(tiniest_config(folder))
    monkeypatch.setattr("oversight_gym.runs.train.RESULTS_VERSION", 10**6)
    with pytest.raises(RequestError, match=r"begun under results version .*, and this program has 1000000"):
        train(tiniest_config(folder, resume=True))


# ---- what may be deleted -------------------------------------------------------------------------------------------

FOREIGN = ("notes.csv", "map.drawio", "weights/pretrained.safetensors", "steering_old/thesis.tex", "map.png.orig")


def test_overwriting_deletes_only_what_the_program_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiniest_config(folder, keep_weights=True))
    (folder / "map.png").write_bytes(b"of the old run")
    for name in FOREIGN:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("precious")
    again = command("train", *tiniest_words(folder), "--overwrite")
    assert again.returncode == 0, again.stderr
    assert [(folder / name).read_text() for name in FOREIGN] == ["precious"] * len(FOREIGN)
    assert not (folder / "map.png").exists()
    assert not list(folder.glob("weights/step=*"))


@pytest.mark.parametrize(
    "name", ["weights", "model.safetensors", "evaluations.csv", "weights/step=000000000000.safetensors"]
)
def test_links_out_of_a_run_folder_are_refused_and_nothing_is_deleted(
    name: str, tiniest_run: Run, tmp_path: Path
) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    shutil.copytree(tiniest_run.folder, folder)
    outside.mkdir()
    precious = outside / "step=000000000000.safetensors"
    precious.write_text("precious")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside if name == "weights" else precious)
    before = names(folder)
    for words in (["--overwrite"], ["--resume"]):
        refused = command("train", *tiniest_words(folder), *words)
        assert refused.returncode == 2
        assert "is a link" in refused.stderr
    assert names(folder) == before
    assert precious.read_text() == "precious"


# ---- one process at a time -----------------------------------------------------------------------------------------


def test_refused_requests_leave_nothing_behind(tmp_path: Path, tiniest_run: Run) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    shutil.copytree(tiniest_run.folder, tmp_path / "finished")
    before = names(tmp_path)
    for folder in ("mine", "finished", "new"):
        words = ["--device", "cuda"] if folder == "new" else []
        assert command("train", *tiniest_words(tmp_path / folder), *words).returncode == 2
    assert names(tmp_path) == before


def test_a_run_can_be_written_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("train", *tiniest_words(Path()))
    assert done.returncode == 0, done.stderr
    assert load_run(Path()).record["steps"] == 512
    assert not (tmp_path / LOCK).exists()


def test_two_runs_do_not_share_a_folder_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    monkeypatch.setattr("oversight_gym.runs.train.PATIENCE", 0.1)
    with locked(tmp_path / "run", patience=0), pytest.raises(RequestError, match="is being trained by another process"):
        train(tiniest_config(tmp_path / "link"))
    train(tiniest_config(tmp_path / "link"))
    assert load_run(tmp_path / "run").record["steps"] == 512


def test_a_lock_is_of_one_process_at_a_time_though_its_file_goes(tmp_path: Path) -> None:
    inside, most = [0], []

    def visit() -> None:
        for _ in range(20):
            with locked(tmp_path, patience=20):
                inside[0] += 1
                most.append(inside[0])
                time.sleep(0.0005)
                inside[0] -= 1

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_replaced_under_a_run_is_left_to_the_other(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def replace(_: object) -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "thesis.tex").write_text("precious")

    with before_update(1, replace), pytest.raises(RequestError, match="was deleted or replaced"):
        train(tiniest_config(folder, evaluations=1))
    assert (folder / "thesis.tex").read_text() == "precious"


# ---- divergence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{"learning_rate": 1e30}, {"adam_eps": 1e-300}])
def test_divergence_is_caught_within_one_update(values: dict[str, float], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(RunFailed, match=r"training diverged by step 128: .* keeps its last checkpoint"):
        train(tiniest_config(folder, **values))
    failed = json.loads((folder / FAILED).read_text())
    assert failed["step"] == 128
    assert failed["values"]
    assert failed["reason"].startswith("training diverged by step 128")
    kept = load_file(folder / CHECKPOINT)
    assert all(tensor.isfinite().all() for name, tensor in kept.items() if tensor.is_floating_point())
    for words in (["--resume"], []):
        flags = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", value)]
        again = command("train", *tiniest_words(folder), *flags, *words)
        assert again.returncode == 2
        assert "holds a run that failed: training diverged" in again.stderr
    with pytest.raises(RequestError, match="failed: training diverged"):
        load_run(folder)
    train(tiniest_config(folder, overwrite=True))
    assert not (folder / FAILED).exists()


@pytest.mark.parametrize("where", [0, 2, 3])
def test_a_parameter_that_is_not_finite_is_never_kept(where: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def spoil(model: RoutedPPO) -> None:
        with torch.no_grad():
            next(model.policy.value_net.parameters())[0] = float("inf")

    with before_update(where, spoil), pytest.raises(RunFailed, match=f"by step {128 * (where + 1)}"):
        train(tiniest_config(folder, method="naive"))
    assert not (folder / MODEL).exists()


def test_the_command_line_says_in_one_sentence_that_training_diverged(tmp_path: Path) -> None:
    ended = command("train", *tiniest_words(tmp_path / "run"), "--learning-rate", 1e30)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "training diverged by step 128" in ended.stderr


# ---- the same once more --------------------------------------------------------------------------------------------


def test_a_run_is_verified_by_training_it_once_more(tiniest_run: Run) -> None:
    done = command("verify", tiniest_run.folder)
    assert done.returncode == 0, done.stderr
    assert "its weights give the figures that are stored" in done.stdout
    assert "the same weights, bit for bit" in done.stdout


def test_numbers_do_not_depend_on_how_often_a_run_is_evaluated_or_kept(tiniest_run: Run, tmp_path: Path) -> None:
    other = train(tiniest_config(tmp_path / "run", evaluations=4, keep_weights=True, select="overseen"))
    last = sorted((other.folder / "weights").iterdir())[-1]
    assert last.read_bytes() == (tiniest_run.folder / MODEL).read_bytes()


def test_a_run_of_other_versions_is_verified_by_its_figures(tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    stored = json.loads((folder / CONFIG).read_text())
    stored["versions"]["torch"] = "1.0"
    stored["config"]["seed"] = 1  # the weights of another seed stand for those of other versions
    (folder / CONFIG).write_text(json.dumps(stored))
    write_finished(folder, tiniest_run.record)
    done = command("verify", folder)
    assert done.returncode == 0, done.stdout
    assert "with other versions (torch 1.0 (now" in done.stdout
    assert "and 0.1 is allowed" in done.stdout
    assert command("verify", folder, "--within", 1e-9).returncode == 1
    stored["versions"] = json.loads((tiniest_run.folder / CONFIG).read_text())["versions"]
    (folder / CONFIG).write_text(json.dumps(stored))
    write_finished(folder, tiniest_run.record)
    done = command("verify", folder)
    assert done.returncode == 1
    assert "with the same versions" in done.stdout


def test_weights_that_do_not_give_the_stored_figures_are_noticed(tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    weights = load_file(folder / MODEL)
    save_file({name: tensor + 0.01 for name, tensor in weights.items()}, folder / MODEL)
    write_finished(folder, tiniest_run.record)
    done = command("verify", folder, "--no-repeat")
    assert done.returncode == 1
    assert "than is stored" in done.stdout


def test_a_run_is_repeated_from_its_folder(tiniest_run: Run, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiniest_run.folder, source)
    done = command("train", "--from", source / CONFIG, "--run-dir", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "again", tiniest_run.folder)
    done = command("train", "--from", source, "--run-dir", tmp_path / "other", "--gamma", 0.5)
    assert done.returncode == 0, done.stderr
    assert load_run(tmp_path / "other").config.differences(tiniest_run.config) == {"gamma": (0.5, 0.97)}
    refused = command("train", "--from", source, "--preset", "fast")
    assert refused.returncode == 2
    assert "give one of them" in refused.stderr
    stored = json.loads((source / CONFIG).read_text()) | {"results_version": 1}
    (source / CONFIG).write_text(json.dumps(stored))
    write_finished(source, tiniest_run.record)
    noted = command("train", "--from", source, "--run-dir", tmp_path / "old")
    assert "has results version 1 and this program" in noted.stderr

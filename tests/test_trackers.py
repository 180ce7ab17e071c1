"""Weights & Biases and MLflow hold what the run folder holds, once, also of a run that was killed and resumed."""

import json
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import command, small_config, tiniest_config, tiniest_words, tiny
from test_resume import TIMES, table, train_until

from oversight_gym.runs import trackers
from oversight_gym.runs.contents import EVALUATIONS, PROGRESS
from oversight_gym.runs.folder import Run, stored_config
from oversight_gym.runs.train import train
from oversight_gym.sweeps.sweep import sweep

Curves = dict[str, list[tuple[int, float]]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder for clients that reach no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return tmp_path


def written(folder: Path) -> Curves:
    """The curves that a run folder's tables hold, the evaluations at the method's gate (diamond)."""
    curves: Curves = defaultdict(list)
    for row in table(folder / PROGRESS):
        for key, value in row.items():
            if key != "step" and value:
                curves[key].append((int(row["step"]), float(value)))
    for row in table(folder / EVALUATIONS):
        curves["as_used/return_stepwise"].append((int(row["step"]), float(row["diamond/return_stepwise"])))
    return curves


def killed_and_resumed(tracker: str) -> Run:
    """A run that dies between two checkpoints; its folder is ``runs/mine``."""
    values: dict[str, Any] = {"evaluations": 2, "total_timesteps": 8192, "num_envs": 16, "track": (tracker,)}
    train_until(12, Path("runs/mine"), **values)
    return train(small_config(Path("runs/mine"), resume=True, **values))


def assert_same_curves(found: Curves, folder: Path) -> None:
    for key, points in written(folder).items():
        assert [step for step, _ in found[key]] == [step for step, _ in points], key
        if key not in TIMES:
            assert [value for _, value in found[key]] == pytest.approx([value for _, value in points], nan_ok=True), key


def test_mlflow_holds_a_resumed_run_once() -> None:
    mlflow = pytest.importorskip("mlflow")
    run = killed_and_resumed("mlflow")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("oversight-gym")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "runs/mine"
    assert found.info.status == "FINISHED"
    assert {"method": "routing", "num_envs": "16"}.items() <= found.data.params.items()
    keys = found.data.metrics
    history = {key: client.get_metric_history(found.info.run_id, key) for key in keys}
    curves = {key: [(point.step, point.value) for point in points] for key, points in history.items()}
    assert_same_curves(curves, run.folder)


def records(path: Path) -> Iterator[Any]:
    """What an offline run of W&B has written: records of protocol buffers in LevelDB's format of logs."""
    from wandb.proto import wandb_internal_pb2

    data, at, held = path.read_bytes(), 7, b""
    while at < len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        held += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield wandb_internal_pb2.Record.FromString(held)
            held = b""


def test_wandb_holds_a_resumed_run_once(here: Path) -> None:
    pytest.importorskip("wandb")
    run = killed_and_resumed("wandb")
    curves: Curves = defaultdict(list)
    names, exits = [], []
    for path in sorted(here.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime):
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                names.append((record.run.run_id, record.run.project, record.run.display_name))
            elif kind == "history":
                for item in record.history.item:
                    value = json.loads(item.value_json)
                    if isinstance(value, int | float):
                        curves[item.nested_key[0]].append((record.history.step.num, value))
            elif kind == "exit":
                exits.append(record.exit.exit_code)
            elif kind == "config":
                config = {item.key: json.loads(item.value_json) for item in record.config.update}
                assert {"method": "routing", "num_envs": 16}.items() <= config.items()
    assert len(names) == 2  # parts, of
    assert len(set(names)) == 1
    assert names[0][1:] == ("oversight-gym", "runs/mine")
    assert exits == [1, 0]
    assert_same_curves(curves, run.folder)


def test_a_tracker_changes_no_result_and_is_no_property_of_a_run(tiniest_run: Run) -> None:
    pytest.importorskip("mlflow")
    run = train(tiniest_config(Path("run"), track=("mlflow",)))
    for name in ("model.safetensors", EVALUATIONS, "config.json"):
        assert (run.folder / name).read_bytes() == (tiniest_run.folder / name).read_bytes()
    assert stored_config(run.folder).track == ()


@pytest.mark.slow
def test_a_sweep_tracks_every_run() -> None:
    mlflow = pytest.importorskip("mlflow")
    assert sweep(tiny(Path("mine"), track=("mlflow",), oversight=(0.3,), methods=("naive",))) == []
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("oversight-gym").experiment_id])
    assert found.info.run_name == "mine/oversight=0.30/naive/seed=0"  # and the probe is not tracked


class Breaking:
    """A client that fails when it is to send for the second time."""

    id = "breaking"

    def __init__(self, *_: Any) -> None:
        self.sent = 0

    def send(self, _: Any) -> None:
        self.sent += 1
        if self.sent == 2:
            raise ConnectionError("the server has gone\nfar away")

    def end(self, how: str) -> None:
        raise AssertionError(how)


def test_a_tracker_that_fails_is_given_up_and_the_run_is_not_lost(
    tiniest_run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(trackers.CLIENTS, "wandb", Breaking)
    monkeypatch.setattr(trackers, "find_spec", lambda _: True)
    run = train(tiniest_config(Path("run"), track=("wandb",)))
    assert (run.folder / "model.safetensors").read_bytes() == (tiniest_run.folder / "model.safetensors").read_bytes()
    assert caplog.messages == ["wandb is given up (ConnectionError: the server has gone); training goes on."]


def test_a_tracker_that_cannot_be_reached_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nothing://known")
    train(tiniest_config(Path("run"), track=("mlflow",)))
    assert [message.startswith("mlflow is given up (") for message in caplog.messages] == [True]


@pytest.mark.parametrize("tracker", ["wandb", "mlflow"])
@pytest.mark.parametrize("asked", ["train", "sweep"])
def test_a_missing_client_gets_a_sentence_that_names_the_extra(
    tracker: str, asked: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, tracker, None)
    words = tiniest_words(here / "run") if asked == "train" else ["--out", here / "run"]
    done = command(asked, "--track", tracker, *words)
    assert done.returncode == 2
    needs = f"--track {tracker} needs the extra {tracker!r}"
    assert done.stderr == f"oversight-gym: {needs}; install it with: pip install 'oversight-gym[{tracker}]'\n"
    assert not (here / "run").exists()

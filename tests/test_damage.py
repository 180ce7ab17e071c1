"""Damage to the files of a run is noticed, whatever byte it strikes; weights that cannot be are refused."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import command, tiniest_config, tiniest_words
from safetensors.torch import load_file, save_file
from test_run_life import assert_same_run, before_update, send

from oversight_gym.envs import RequestError
from oversight_gym.files import write_json
from oversight_gym.runs.checkpoint import read_checkpoint
from oversight_gym.runs.contents import CHECKPOINT, CONFIG, EVALUATIONS, FINISHED, MODEL, PROGRESS
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.record import check_files, write_finished
from oversight_gym.runs.stopping import Interrupted
from oversight_gym.runs.train import train

TRIES = 60


def damaged(content: bytes, seed: int) -> Iterator[bytes]:
    """Cut at every so many offsets; with single bits the other way; with other bytes."""
    rng = random.Random(seed)
    for _ in range(TRIES):
        yield content[: rng.randrange(len(content))]
        at = rng.randrange(len(content))
        yield content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        other = rng.randbytes(8)
        yield content[:at] + other + content[at + 8 :] if content[at : at + 8] != other[: len(content) - at] else b""
    yield content + b"\n"
    yield content[:-1]


@pytest.mark.parametrize("name", [CONFIG, MODEL, EVALUATIONS, PROGRESS, FINISHED])
def test_damage_to_any_file_of_a_finished_run_is_noticed(name: str, tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    check_files(folder)
    content = (folder / name).read_bytes()
    for tried in damaged(content, seed=0):
        (folder / name).unlink()
        (folder / name).write_bytes(tried)
        with pytest.raises(RequestError, match="train the run again"):
            check_files(folder)
    (folder / name).unlink()
    with pytest.raises(RequestError):
        check_files(folder)


def test_every_cut_of_the_evaluations_is_noticed_by_compare(tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "run"
    shutil.copytree(tiniest_run.folder, folder)
    content = (folder / EVALUATIONS).read_bytes()
    for cut in (len(content) // 2, len(content) - 1):
        (folder / EVALUATIONS).write_bytes(content[:cut])
        done = command("compare", tmp_path / "runs", "--out", tmp_path / "out")
        assert done.returncode == 2
        assert "evaluations.csv is not what was written" in done.stderr


def test_damage_to_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with before_update(2, send(15)), pytest.raises(Interrupted):
        train(tiniest_config(folder, select="oracle"))
    path = folder / CHECKPOINT
    content = path.read_bytes()
    read_checkpoint(path)
    for tried in [*damaged(content, seed=0), b"", (2**60).to_bytes(8, "little"), b"[" * 100_000]:
        path.unlink()
        path.write_bytes(tried)
        with pytest.raises(RequestError, match=r"checkpoint\.safetensors is broken"):
            read_checkpoint(path)
    refused = command("train", *tiniest_words(folder), "--select", "oracle", "--resume")
    assert refused.returncode == 2
    assert "is broken" in refused.stderr
    assert "set --overwrite to train from the start" in refused.stderr


def spoil(weights: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    name, first = next(iter(weights.items()))
    if how == "float64":
        return {key: tensor.double() for key, tensor in weights.items()}
    if how == "missing":
        return {key: tensor for key, tensor in weights.items() if key != name}
    if how == "shape":
        return weights | {name: first.flatten()[:-1]}
    if how == "more":
        return weights | {"more": first.clone()}
    return weights | {name: torch.where(torch.arange(first.numel()).reshape(first.shape) == 3, float(how), first)}


@pytest.mark.parametrize("how", ["float64", "missing", "shape", "more", "nan", "inf"])
def test_weights_that_no_run_has_written_are_refused(how: str, tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    save_file(spoil(load_file(folder / MODEL), how), folder / MODEL)
    write_finished(folder, tiniest_run.record)  # digests show damage, not what somebody has made up
    with pytest.raises(RequestError, match="is broken"):
        load_run(folder)
    shown = command("evaluate", folder)
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1


@pytest.mark.parametrize("name", [CONFIG, MODEL, EVALUATIONS, FINISHED])
@pytest.mark.parametrize("how", ["folder", "pipe", "link", "link to nothing"])
def test_what_is_no_file_is_refused(name: str, how: str, tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    path, elsewhere = folder / name, tmp_path / name
    path.rename(elsewhere)
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(elsewhere if how == "link" else tmp_path / "nothing")
    with pytest.raises(RequestError):
        check_files(folder)
    for words in (["verify", "--no-repeat", folder], ["train", *tiniest_words(folder), "--resume"]):
        done = command(*words)
        assert done.returncode == 2, done.stdout
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("names", [["../outside"], ["/etc/passwd"], ["weights/../../outside"]])
def test_a_record_cannot_name_files_outside_its_folder(names: list[str], tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    (tmp_path / "outside").write_text("precious")
    write_finished(folder, tiniest_run.record)
    record = json.loads((folder / FINISHED).read_text())
    record["files"] |= dict.fromkeys(names, "0" * 64)
    from oversight_gym.runs import record as records

    record["digest"] = records._seal(record)
    write_json(folder / FINISHED, record)
    with pytest.raises(RequestError, match="is a link or no ordinary file"):
        check_files(folder)


def test_a_config_names_no_places_and_no_programs(tiniest_run: Run, tmp_path: Path) -> None:
    folder, outside, plugin = tmp_path / "run", tmp_path / "outside", tmp_path / "plugin.py"
    shutil.copytree(tiniest_run.folder, folder)
    plugin.write_text(f"import pathlib; pathlib.Path({str(outside)!r}).mkdir()")
    stored = json.loads((folder / CONFIG).read_text())
    stored["config"] |= {"run_dir": str(outside), "overwrite": True, "plugin": [str(plugin)]}
    (folder / CONFIG).write_text(json.dumps(stored))
    write_finished(folder, tiniest_run.record)
    for words in (
        ["evaluate", folder],
        ["verify", folder],
        ["train", "--from", folder, "--run-dir", tmp_path / "again"],
    ):
        done = command(*words)
        assert done.returncode == 0, done.stderr
    assert not outside.exists()


def test_a_damaged_finished_run_is_trained_again_when_resumed(tiniest_run: Run, tmp_path: Path) -> None:
    for name in (MODEL, EVALUATIONS, FINISHED):
        folder = tmp_path / name
        shutil.copytree(tiniest_run.folder, folder)
        (folder / name).write_bytes((folder / name).read_bytes()[:-40])
        train(tiniest_config(folder, resume=True))
        assert_same_run(folder, tiniest_run.folder)


def test_a_damaged_config_of_a_finished_run_is_named(tiniest_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiniest_run.folder, folder)
    (folder / CONFIG).write_text("{")
    refused = command("train", *tiniest_words(folder), "--resume")
    assert refused.returncode == 2
    assert "config.json" in refused.stderr
    assert command("train", *tiniest_words(folder), "--overwrite").returncode == 0
    assert_same_run(folder, tiniest_run.folder)

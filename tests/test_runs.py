"""Training runs as a person uses them: the command line, its files and its refusals."""

import contextlib
import csv
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, command, small_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs import RequestError
from oversight_gym.envs.oversight.processes import pattern_names
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.quantities import figure_names
from oversight_gym.evaluation.steering import steer
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.presets import OWN, PRESETS
from oversight_gym.runs.train import train
from oversight_gym.runs.version import RESULTS_VERSION


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_folder_holds_everything_and_nothing_pickled(small_run: Run) -> None:
    names = {path.name for path in small_run.folder.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert names - events == {"config.json", "model.safetensors", "evaluations.csv", "progress.csv", "finished.json"}
    stored = json.loads((small_run.folder / "config.json").read_text())
    assert not TrainConfig.from_json(stored["config"]).differences(small_run.config)
    assert stored["results_version"] == RESULTS_VERSION
    assert {"commit", "torch", "stable-baselines3", "gymnasium", "numpy"} <= set(stored["versions"])
    assert [int(row["step"]) for row in rows(small_run.folder / "evaluations.csv")] == [0, 2048, 4096]


def test_tensorboard_shows_the_curves_against_steps(small_run: Run) -> None:
    events = EventAccumulator(str(small_run.folder)).Reload()
    tags = set(events.Tags()["scalars"])
    figures = ("return_start", "return_stepwise", "p_diamond", "p_ghost")
    assert {f"eval/{gate}/{key}" for gate in ("free", "diamond", "ghost") for key in figures} <= tags
    assert {"rollout/ep_rew_mean", "train/value_loss", "train/gate_loss", "time/fps", "labels/training"} <= tags
    curve = events.Scalars("eval/diamond/return_stepwise")
    written = rows(small_run.folder / "evaluations.csv")
    assert [point.step for point in curve] == [int(row["step"]) for row in written]
    assert [point.value for point in curve] == pytest.approx([float(row["diamond/return_stepwise"]) for row in written])
    progress = rows(small_run.folder / "progress.csv")
    assert [int(row["step"]) for row in progress] == [1024, 2048, 3072, 4096]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(small_run: Run, tmp_path: Path) -> None:
    again = train(small_config(tmp_path / "again"))
    other = train(small_config(tmp_path / "other", seed=1))
    model = [(run.folder / "model.safetensors").read_bytes() for run in (small_run, again, other)]
    assert model[0] == model[1] != model[2]
    assert rows(again.folder / "evaluations.csv") == rows(small_run.folder / "evaluations.csv")
    own = {"time/fps", "time/time_elapsed"}
    for first, second in zip(rows(again.folder / "progress.csv"), rows(small_run.folder / "progress.csv"), strict=True):
        assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in second.items() if k not in own}


def test_a_loaded_run_is_the_policy_that_was_trained(small_run: Run) -> None:
    last = rows(small_run.folder / "evaluations.csv")[-1]
    loaded = load_run(small_run.folder)
    found = evaluate(loaded.policy, loaded.config.env, ("free", "diamond", "ghost"), gamma=0.97)
    for gate in found.names:
        assert found.figures(gate)["return_start"] == pytest.approx(float(last[f"{gate}/return_start"]), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_evaluates_and_says_what_it_is(method: str, tmp_path: Path) -> None:
    folder = tmp_path / method
    run = train(small_config(folder, method=method))
    shown = command("evaluate", folder)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 50
    assert ("ground truth: an upper bound" in shown.stdout) == (method == "oracle")
    data = json.loads(command("evaluate", folder, "--json").stdout)
    assert list(data["gates"]) == (["free"] if run.policy.experts == ("agent",) else ["free", "diamond", "ghost"])
    assert data["uses_ground_truth"] == (method == "oracle")
    for gate in data["gates"].values():
        assert set(gate) == {*figure_names(("ghost", "diamond")), "regret", "patterns"}
        assert list(gate["patterns"]) == list(pattern_names(("ghost", "diamond")))
        assert sum(gate[f"p_{kind}"] for kind in ("diamond", "ghost", "timeout")) == pytest.approx(1)
    both, gate_alone, training_alone = (True, True), (False, True), (True, False)
    routed = ("routing", "masked_routing", "classified_routing", "random_routing", "demix", "routing_then_filter")
    charged = dict.fromkeys(routed, both)
    charged |= {"no_routing": gate_alone}
    assert (data["labels"]["training"] > 0, data["labels"]["gate_loss"] > 0) == charged.get(method, training_alone)
    assert data["labels"] == run.record["labels"]


def test_the_command_line_trains_where_it_says(tmp_path: Path) -> None:
    small = [f"--{key.replace('_', '-')}" for key in SMALL]
    values = [value if isinstance(value, tuple) else (value,) for value in SMALL.values()]
    words = [str(word) for flag, value in zip(small, values, strict=True) for word in (flag, *value)]
    folder = tmp_path / "run"
    first = command("train", "--oversight", "0.3", "--seed", "4", "--run-dir", folder, *words)
    assert first.returncode == 0, first.stderr
    assert f"tensorboard {folder}" in first.stdout
    assert "steps/s" not in first.stderr  # no progress bar when not on a terminal
    again = command("train", "--oversight", "0.3", "--seed", "4", "--run-dir", folder, *words)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "--overwrite" in again.stderr
    before = (folder / "model.safetensors").read_bytes()
    over = command("train", "--oversight", "0.3", "--seed", "4", "--run-dir", folder, "--overwrite", *words)
    assert over.returncode == 0, over.stderr
    assert (folder / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["train", "--oversight", "1.2"], "oversight is 1.2"),
        (["train", "--method", "magic"], "method is 'magic'"),
        (["train", "--preset", "slow"], "preset is 'slow'"),
        (["train", "--size", "1", "1"], "free squares"),
        (["train", "--learning-rate", "-1"], "learning_rate is -1"),
        (["train", "--device", "cuda"], "cuda"),
        (["evaluate", "nowhere"], "nowhere is not a folder"),
        (["evaluate", "."], "config.json"),
        (["steer", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_bad_requests_end_in_a_sentence_and_a_status(words: list[str], mend: str) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert mend in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", None, "no config.json"),
        ("config.json", b"{", "cannot be read"),
        ("config.json", b'{"config": {"method": "routing", "colour": 3}}', "'colour' is not a training setting"),
        ("config.json", b'{"config": {"learning_rat": 3}}', "the nearest is 'learning_rate'"),
        ("config.json", b'{"config": {"anneal": "False"}}', "anneal is 'False'; give true or false"),
        ("config.json", b'{"config": {"layers": [64, "a"]}}', r"layers is \[64, 'a'\]; give a list of 1 or more"),
        ("config.json", b'{"config": [1]}', "is broken"),
        ("config.json", b'{"other": 1}', "is broken"),
        ("model.safetensors", None, "no model.safetensors"),
        ("model.safetensors", b"rubbish", "is broken"),
        ("finished.json", None, "has not finished"),
    ],
)
def test_broken_run_folders(small_run: Run, tmp_path: Path, file: str, content: bytes | None, words: str) -> None:
    for path in small_run.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "finished.json").write_text('{"steps": 4096, "labels": {}}')  # as of before there were digests
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(RequestError, match=words):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["thesis.tex", "config.json"])
def test_other_peoples_folders_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"architectures": ["precious"]}')
    with pytest.raises(RequestError, match="is no run folder"):
        train(small_config(tmp_path, overwrite=True))
    assert "precious" in (tmp_path / name).read_text()


def test_a_run_killed_at_its_first_file_can_be_trained(tmp_path: Path) -> None:
    (tmp_path / ".config.json.123.part").write_text('{"conf')
    train(small_config(tmp_path))
    assert not list(tmp_path.glob(".*.part"))


def test_an_interrupted_run_is_not_taken_for_a_finished_one(small_run: Run, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oversight_gym.runs.train.write_weights", lambda *_: (_ for _ in ()).throw(StopError))
        with pytest.raises(StopError):
            train(small_config(folder))
    assert (folder / "config.json").exists()
    with pytest.raises(RequestError, match="has not finished"):
        load_run(folder)
    train(small_config(folder, overwrite=True))
    assert (folder / "model.safetensors").read_bytes() == (small_run.folder / "model.safetensors").read_bytes()


def test_a_method_may_have_settings_of_its_own_in_a_preset() -> None:
    for preset, own in OWN.items():
        for method, settings in own.items():
            config = TrainConfig.of(preset=preset, method=method)
            assert config.hyper == replace(PRESETS[preset], **settings)
            assert TrainConfig.from_json(config.to_json()) == config
            assert config.command() == TrainConfig.of(preset=preset, method=method).command()
            assert not any(word.lstrip("-").replace("-", "_") in settings for word in config.command())
            shown = command("train", "--method", method, "--preset", preset, "--help").stdout
            for name, value in settings.items():
                assert re.search(rf"--{name.replace('_', '-')} [^(]*\(default: {value:g}\)", shown)
    assert TrainConfig.of(method="naive").hyper == PRESETS["fast"]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_make_a_run(preset: str, tmp_path: Path) -> None:
    short = {"total_timesteps": 1024, "num_envs": 4, "n_steps": 64, "batch_size": 64, "evaluations": 1}
    run = train(TrainConfig.of(preset=preset, run_dir=tmp_path / preset, **short))
    assert run.record["steps"] == 1024


def test_steering_curve_files(small_run: Run, tmp_path: Path) -> None:
    shown = command("steer", small_run.folder, "--out", tmp_path, "--points", 5)
    assert shown.returncode == 0, shown.stderr
    assert "Localisation: P(diamond) moves by" in shown.stdout
    data = json.loads((tmp_path / "steering.json").read_text())
    written = rows(tmp_path / "steering.csv")
    assert len(written) == (5 + 12) * (1 + 4)
    assert [float(row["setting"]) for row in written[::5]] == [*np.linspace(0, 1, 5), *np.arange(1.25, 4.01, 0.25)]
    last = evaluate(small_run.policy, small_run.config.env, ("diamond+3",), gamma=0.97).figures("diamond+3")
    assert float(written[-5]["p_diamond"]) == pytest.approx(last["p_diamond"], abs=1e-6)
    ends = evaluate(small_run.policy, small_run.config.env, ("ghost", "diamond"), gamma=0.97)
    mixed = [float(row["p_diamond"]) for row in written if row["pattern"] == "mixed"][:5]
    assert mixed[0] == pytest.approx(ends.figures("ghost")["p_diamond"], abs=1e-6)
    assert mixed[-1] == pytest.approx(ends.figures("diamond")["p_diamond"], abs=1e-6)
    assert data["localisation"]["p_diamond"] == pytest.approx(mixed[-1] - mixed[0])
    changes = np.diff(mixed)
    assert data["localisation"]["p_diamond_monotone"] == pytest.approx(abs(changes.sum()) / abs(changes).sum())
    assert (tmp_path / "steering.png").read_bytes().startswith(b"\x89PNG")
    scaled = steer(small_run.policy, small_run.config.env, "ghost", points=3, gamma=0.97)
    free = evaluate(small_run.policy, small_run.config.env, gamma=0.97).figures("free")
    assert scaled.rows()[-5]["p_diamond"] == pytest.approx(free["p_diamond"], abs=1e-6)
    for words, sentence in (
        (["--expert-scale", "dragon"], "expert_scale is 'dragon'; choose one of diamond, ghost"),
        (["--contrast", "-1"], "contrast is -1.0; give a number from 0 to 100"),
        (["--contrast", "nan"], "contrast is nan; give"),
        (["--points", "100000000"], "points is 100000000; give an integer from 2 to 1,001"),
    ):
        refused = command("steer", small_run.folder, "--out", tmp_path, *words)
        assert refused.returncode == 2
        assert sentence in refused.stderr


def test_a_run_is_evaluated_at_gates_of_any_weights(small_run: Run) -> None:
    shown = command("evaluate", small_run.folder, "--json", "--gates", "diamond+0", "1", "diamond+0.5", "1.5", "-0.5")
    gates = json.loads(shown.stdout)["gates"]
    assert list(gates) == ["diamond+0", "1", "diamond+0.5", "1.5", "-0.5"]
    assert gates["diamond+0"] == gates["1"]
    assert gates["diamond+0.5"] == gates["1.5"]
    assert gates["1.5"]["p_diamond"] != gates["1"]["p_diamond"]
    refused = command("evaluate", small_run.folder, "--gates", "diamond+x")
    assert refused.returncode == 2
    assert "there is no expert 'diamond+x'; choose 'free' or one of diamond, ghost" in refused.stderr


def test_on_a_terminal_a_bar_shows_speed_and_the_steered_return(tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    small = ["--total-timesteps", "8192", "--num-envs", "32", "--n-steps", "32"]
    words = ["train", *small, "--run-dir", str(tmp_path / "run")]
    with subprocess.Popen([sys.executable, "-m", "oversight_gym", *words], stderr=terminal, stdout=subprocess.DEVNULL):
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux ends a pty so when the program at its other end has left
            while chunk := os.read(main, 4096):
                shown += chunk
    os.close(main)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())  # without colours and movements
    assert re.search(r"routing: +\d+%", text)
    assert re.search(r"steps/s", text)
    assert re.search(r"return \(diamond\) [+-]\d\.\d{3}", text)


def test_a_config_written_before_fields_were_renamed_is_read() -> None:
    written = TrainConfig.of(layers=(32,), gate_layers=(), value_layers=(16, 16)).to_json()
    former = {"hidden": "layers", "gate_hidden": "gate_layers", "value_hidden": "value_layers"}
    parts = ("kinds", "dynamics", "oversight_process", "view", "plugin")
    old = {name: written[new] for name, new in former.items()}
    old |= {name: value for name, value in written.items() if name not in (*former.values(), *parts)}
    assert TrainConfig.from_json(old) == TrainConfig.from_json(written)

"""What the small commands print, and with which status they end."""

import re
from pathlib import Path

import pytest
from conftest import command, small_config

from oversight_gym import __version__
from oversight_gym.cli.main import COMMANDS
from oversight_gym.runs.folder import Run

ROOT = Path(__file__).parents[1]


def test_without_a_command_there_is_help() -> None:
    alone, asked = command(), command("--help")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert alone.stdout == asked.stdout
    assert set(COMMANDS) <= set(re.findall(r"\w+", alone.stdout))
    assert command("--version").stdout == f"oversight-gym {__version__}\n"


def test_exit_statuses_are_documented() -> None:
    page = (ROOT / "docs" / "command_line.md").read_text()
    assert re.findall(r"^\| (\d+) \|", page, re.M) == ["0", "1", "2", "130", "143"]
    assert set(COMMANDS) <= set(re.findall(r"`oversight-gym (\w+)", page))


def test_doctor_says_what_is_there() -> None:
    done = command("doctor")
    assert done.returncode == 0, done.stdout
    found = dict(line.split(None, 1) for line in done.stdout.splitlines() if len(line.split()) > 1)
    assert {"python", "GPU", "display", "torch", "tyro", "ray"} <= set(found)


def test_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError, version

    def without(name: str) -> str:
        if name in missing:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("oversight_gym.cli.doctor.version", without)
    missing = {"ray"}
    done = command("doctor")
    assert done.returncode == 0
    assert re.search(r"ray +missing +for sweeps on a cluster", done.stdout)
    missing = {"torch"}
    done = command("doctor")
    assert done.returncode == 1
    assert re.search(r"torch +missing +install it: pip install 'torch>=", done.stdout)


def test_runs_are_listed_with_their_state(small_run: Run, tmp_path: Path) -> None:
    for name in ("whole", "cut", "begun", "strange"):
        (tmp_path / name).mkdir()
        for path in small_run.folder.iterdir():
            if path.is_file():
                (tmp_path / name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "cut" / "model.safetensors").write_bytes(b"rubbish")
    (tmp_path / "begun" / "finished.json").unlink()
    (tmp_path / "strange" / "config.json").write_text("{")
    shown = command("runs", tmp_path)
    assert shown.returncode == 0, shown.stderr
    states = {words[0]: " ".join(words[1:]) for words in (line.split() for line in shown.stdout.splitlines())}
    assert re.fullmatch(r"routing 0.5 0 fast 4,096 [+-]\d\.\d{3} finished", states["whole"])
    assert "damaged: " in states["cut"]
    assert states["begun"].endswith("begun")
    assert states["strange"].startswith("cannot be read")
    assert command("runs", tmp_path / "nowhere").returncode == 2


def test_a_greedy_judgement_says_so(small_run: Run) -> None:
    assert "greedy: always the likeliest action" in command("evaluate", small_run.folder, "--greedy").stdout


def test_maps_with_another_background_are_files_of_their_own(small_run: Run, tmp_path: Path) -> None:
    for background in ("gate", "ghost"):
        done = command("map", small_run.folder, "--out", tmp_path, "--gates", "free", "--background", background)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"map.png", "map.svg", "map.ghost.png", "map.ghost.svg"}


def test_after_training_the_next_commands_are_named(tmp_path: Path) -> None:
    words = small_config(tmp_path / "run", total_timesteps=1024, evaluations=1).command()[1:]
    done = command(*words, "--run-dir", tmp_path / "run", "--evaluations", "1")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"oversight-gym (\w+) ", done.stdout) == ["evaluate", "watch", "tensorboard"]

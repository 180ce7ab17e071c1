"""The leaderboard says what its weights say."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import command
from forked import run_forked

from oversight_gym.evaluation.selection import Row
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.rows import read_evaluations

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "leaderboard"
ENTRIES = sorted(path.parent for path in BOARD.rglob("score.json"))


def leaderboard(*words: object) -> subprocess.CompletedProcess[str]:
    return run_forked([str(ROOT / "scripts" / "leaderboard.py"), *map(str, words)])


def unseen(run: Run) -> Row:
    row = read_evaluations(run.folder)[-1]
    return {name: row[f"{run.config.gate}/none/{name}"] for name in ("return_start", "p_ghost")}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_entry_is_what_its_weights_give(entry: Path) -> None:
    assert command("verify", entry, "--no-repeat").returncode == 0
    run, stored = load_run(entry), json.loads((entry / "score.json").read_text())
    found = unseen(run)
    assert {name: stored[name] for name in found} == pytest.approx(found, abs=1e-9)
    assert stored["gate"] == run.config.gate
    assert f"{stored['return_start']:+.3f}" in (BOARD / "README.md").read_text()


@pytest.mark.slow
def test_every_entry_is_recomputed_in_full() -> None:
    done = leaderboard("check", "--folder", BOARD)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and the board that it has been entered to."""
    folder = tmp_path_factory.mktemp("leaderboard")
    trained("naive", folder / "run")
    assert leaderboard("add", folder / "run", "--folder", folder / "board").returncode == 0
    return folder / "run", folder / "board"


def trained(method: str, folder: Path, *words: object) -> None:
    small = ("--total-timesteps", 8192, "--num-envs", 64, "--n-steps", 32, "--evaluations", 1)
    assert command("train", "--method", method, "--run-dir", folder, *small, *words).returncode == 0


def test_a_run_is_entered_once(entered: tuple[Path, Path]) -> None:
    run, board = entered
    (entry,) = (path.parent for path in board.rglob("score.json"))
    assert entry.relative_to(board) == Path("OversightGrid-v0", "oversight=0.10", "naive")
    assert json.loads((entry / "score.json").read_text())["legal"]
    assert f"{unseen(load_run(run))['return_start']:+.3f}" in (board / "README.md").read_text()
    assert "nothing was changed" in leaderboard("add", run, "--folder", board).stdout
    assert leaderboard("check", "--folder", board).returncode == 0


def test_what_is_changed_afterwards_is_noticed(entered: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(entered[1], tmp_path, dirs_exist_ok=True)
    (score,) = tmp_path.rglob("score.json")
    score.write_text(json.dumps(json.loads(score.read_text()) | {"return_start": 0.9}))
    done = leaderboard("check", "--folder", tmp_path)
    assert done.returncode == 1
    assert "return_start=0.9" in done.stdout
    assert "README.md is not what the entries give" in done.stdout


def test_the_ground_truth_is_no_legal_entry(tmp_path: Path) -> None:
    trained("oracle", tmp_path / "run")
    assert leaderboard("add", tmp_path / "run", "--folder", tmp_path / "board").returncode == 0
    (score,) = (tmp_path / "board").rglob("score.json")
    assert json.loads(score.read_text())["legal"] is False


def test_runs_in_an_environment_of_their_own_are_refused(tmp_path: Path) -> None:
    trained("naive", tmp_path / "run", "--size", 3, 3)
    done = leaderboard("add", tmp_path / "run", "--folder", tmp_path / "board")
    assert done.returncode == 2
    assert "was trained in an environment of its own" in done.stderr
    assert "Traceback" not in done.stderr

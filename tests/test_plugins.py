"""Methods and parts of other packages, by --plugin and by entry point, in every command that could need them."""

import ast
import json
import re
from pathlib import Path

import pytest
from conftest import TINY, process

from oversight_gym.cli.main import flags, for_the_command_line
from oversight_gym.envs import RequestError
from oversight_gym.runs.folder import load_run

ROOT = Path(__file__).parents[1]
PLUGIN = '''
from dataclasses import dataclass

from oversight_gym.agents.methods.builtin import Method, register
from oversight_gym.envs.world.dynamics import DYNAMICS, Moves

register(Method("timid", "an example: naive, from elsewhere", reward="naive", experts=("agent",), gate="free"))


@dataclass(frozen=True)
class Walk(Moves):
    """As the built-in, under another name."""


DYNAMICS.register("walk", Walk)
'''
PYTHON_ONLY = {"routes", "then"}
"""Arguments that no command has."""
SMALL = ("--total-timesteps", 1024, "--num-envs", 16, "--n-steps", 32, "--batch-size", 128, "--layers", 16)
SETTINGS = (*(text for text in TINY if not text.startswith("evaluations")), "evaluations=1", "dynamics=walk")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "timid.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture(scope="module")
def swept(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep over the plug-in's method and a built-in one, in the plug-in's world."""
    out = tmp_path_factory.mktemp("swept")
    words = ["--methods", "timid", "naive", "--oversight", "0.3", "--seeds", "1", "--out", out, "--set", *SETTINGS]
    done = process("sweep", "--plugin", plugin, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 runs, 0 of them finished" in done.stdout
    return out


def test_a_swept_method_from_elsewhere_can_be_compared_and_evaluated(plugin: Path, swept: Path) -> None:
    done = process("compare", swept, "--plugin", plugin, "--baseline", "naive")
    assert done.returncode == 0, done.stderr
    rows = json.loads((swept / "compare" / "compare.json").read_text())["rows"]
    assert {row["series"] for row in rows} == {"timid", "naive"}
    assert len({row["return_stepwise/mean"] for row in rows}) == 1  # the same method by another name
    run = swept / "oversight=0.30" / "timid" / "seed=0"
    for words in (["evaluate", run, "--json"], ["map", run, "--out", swept / "map"]):
        done = process(*words, "--plugin", plugin)
        assert done.returncode == 0, done.stderr


def test_a_run_folder_imports_nothing_by_itself(plugin: Path, swept: Path) -> None:
    run = swept / "oversight=0.30" / "timid" / "seed=0"
    assert json.loads((run / "config.json").read_text())["config"]["plugin"] == [str(plugin)]
    with pytest.raises(RequestError, match=f"was trained with a plug-in; give `plugin` {re.escape(str(plugin))}"):
        load_run(run)
    done = process("evaluate", run)
    assert done.returncode == 2
    assert f"give --plugin {plugin}" in done.stderr
    assert done.stderr.count("\n") == 1
    done = process("compare", swept, "--out", swept / "without")
    assert done.returncode == 2
    assert "holds no finished run that can be read" in done.stderr


def test_training_with_a_plugin_shows_and_repeats_it(plugin: Path, tmp_path: Path) -> None:
    shown = process("train", "--plugin", plugin, "--method", "timid", "--help")
    assert shown.returncode == 0
    assert "(default: timid)" in shown.stdout
    listed = process("methods", "timid", "--plugin", plugin)
    assert "an example: naive, from elsewhere" in listed.stdout
    words = ["train", "--plugin", plugin, "--method", "timid", "--dynamics", "walk", "--run-dir", tmp_path / "run"]
    done = process(*words, *SMALL)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "run" / "config.json").read_text())["command"]
    assert told.startswith(f"oversight-gym train --plugin {plugin} --method timid")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no file"),
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("register(", "SyntaxError"),
        (PLUGIN.replace('"timid"', '"naive"'), "there is a method 'naive' already"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named(content: str | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    if content is not None:
        path.write_text(content)
    for words in (["train", "--run-dir", tmp_path / "run"], ["sweep", "--out", tmp_path / "out"], ["methods"]):
        done = process(*words, "--plugin", path)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    assert list(tmp_path.glob("*/")) == []


def test_a_broken_entry_point_breaks_only_what_asks_for_it(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[oversight_gym.methods]\nbroken = nothing_of_that_name:METHOD\n")
    asked = process("train", "--method", "broken", "--run-dir", tmp_path / "run", PYTHONPATH=str(tmp_path))
    assert asked.returncode == 2
    assert "nothing_of_that_name" in asked.stderr
    assert "Traceback" not in asked.stderr
    listed = process("methods", PYTHONPATH=str(tmp_path))
    assert listed.returncode == 0
    assert "routing:" in listed.stdout
    assert "nothing_of_that_name" in listed.stdout
    trained = process("train", *SMALL, "--run-dir", tmp_path / "run", PYTHONPATH=str(tmp_path))
    assert trained.returncode == 0


def requests() -> list[tuple[str, str]]:
    """File and text of every sentence that a RequestError is raised with."""
    found = []
    for folder in ("oversight_gym", "agents", "envs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RequestError":
                    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                    found.append((str(path.relative_to(ROOT)), " ".join(map(str, texts))))
    return found


def test_sentences_speak_of_arguments_which_the_command_line_writes_as_flags() -> None:
    assert for_the_command_line("give `run_dir` and `folder`") == "give --run-dir and FOLDER"
    sentences = requests()
    assert len(sentences) > 50
    named = {word for _, text in sentences for word in re.findall(r"`(\w+)`", text)}
    assert {"run_dir", "overwrite", "plugin", "out"} <= named <= set(flags()) | PYTHON_ONLY
    assert [path for path, text in sentences if re.search(r"--[a-z]", text)] == []

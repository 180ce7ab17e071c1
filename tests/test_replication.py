"""The script that sets the paper's set-up beside a replication: its rows, its table and its picture."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import small_config

from oversight_gym.evaluation.paper_metric import mean_paper_metric
from oversight_gym.files import write_csv
from oversight_gym.runs.train import train


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/replication.py."""
    path = Path(__file__).parents[1] / "scripts" / "replication.py"
    sys.path.insert(0, str(path.parent))  # as when it is run
    spec = importlib.util.spec_from_file_location("replication", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["replication"] = module
    spec.loader.exec_module(module)
    return module


def test_rows_of_a_run_are_drawn_beside_the_replications(tmp_path: Path, script: ModuleType) -> None:
    settings = {"total_timesteps": 2048, "keep_weights": True, "oversight": 0.3, "size": (3, 3)}
    run = train(small_config(tmp_path / "run", **settings))
    rows = script.rows_of("compat", run.folder)
    assert [(row.oversight, row.seed) for row in rows] == [(0.3, 0)] * 3
    expected = mean_paper_metric(run.policy, run.config.env, "diamond", 0.97, script.SAMPLES)
    assert rows[-1].paper_diamond == pytest.approx(expected)
    assert all(0 < row.free_diamonds < 1 for row in rows)
    write_csv(tmp_path / "rows.csv", [vars(row) for row in rows])
    assert script.read(tmp_path / "rows.csv") == rows
    theirs = script.published(1600)
    at_1500 = next(row for row in theirs if (row.oversight, row.update) == (0.1, 1500))
    assert (at_1500.paper_diamond, at_1500.paper_ghost) == (0.51572, -0.43738)
    assert at_1500.free_diamonds == pytest.approx(0.54107, abs=1e-4)
    assert script.draw([*theirs, *rows]).startswith(b"\x89PNG")
    lines = script.table([*theirs, *rows])
    assert f"{rows[-1].paper_diamond:+.3f}" in lines
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    for _ in range(2):
        script.write_results(page, tmp_path / "page.png", lines)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count(lines) == 1
    assert "old" not in text

"""The script that tunes: the same settings for every method, the preset among them, judged by what was observed."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")
SCRIPT = Path(__file__).parent.parent / "scripts" / "tune.py"


def test_every_method_is_offered_the_same_settings(tmp_path: Path) -> None:
    words = ["--methods", "naive", "oracle", "--trials", "2", "--finalists", "1", "--labels", "20"]
    words += ["--total-timesteps", "32768", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "trials.csv")]
    for _ in range(2):  # the second time from the runs of the first
        done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "[12/12]" not in done.stdout
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    tried = {
        method: {
            tuple(row[name] for name in ("learning_rate", "ent_coef", "batch_size", "n_epochs"))
            for row in rows
            if row["method"] == method
        }
        for method in ("naive", "oracle")
    }
    assert tried["naive"] == tried["oracle"]
    assert len(rows) == 2 * 3
    for method in ("naive", "oracle"):
        own = [row for row in rows if row["method"] == method]
        best = max((row for row in own if row["seeds"] == "2"), key=lambda row: float(row["criterion"]))
        assert own[0] == best
        assert {row["seeds"] for row in own} == {"1", "2"}
        for row in own:
            levels = [float(row[f"overseen@{level}"]) for level in ("0.03", "0.30")]
            assert float(row["criterion"]) == pytest.approx(sum(levels) / 2, abs=2e-4)

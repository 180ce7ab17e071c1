"""The script that tunes: the same settings for every method, the preset among them, judged by what was observed."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")
METHODS = ("naive", "oracle")
SCRIPT = Path(__file__).parent.parent / "scripts" / "tune.py"


def test_every_method_is_offered_the_same_settings(tmp_path: Path) -> None:
    words = ["--methods", "naive", "oracle", "--trials", "1", "--labels", "20"]
    words += ["--total-timesteps", "32768", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "trials.csv")]
    tables = []
    for _ in range(2):  # the second time from the runs of the first
        done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        tables.append((tmp_path / "trials.csv").read_text())
    assert tables[0] == tables[1]
    assert "finished" not in done.stdout
    rows = list(csv.DictReader(tables[0].splitlines()))
    assert [row["method"] for row in rows] == ["naive"] * 2 + ["oracle"] * 2
    searched = ("learning_rate", "ent_coef", "batch_size", "n_epochs")
    naive, oracle = ({tuple(row[name] for name in searched) for row in rows if row["method"] == m} for m in METHODS)
    assert naive == oracle
    assert ("0.001", "0.2", "2048", "1") in naive
    for method in METHODS:
        criteria = [float(row["criterion"]) for row in rows if row["method"] == method]
        assert criteria == sorted(criteria, reverse=True)
        assert f"{method}: {criteria[0]:+.3f} with" in done.stdout
    for row in rows:
        levels = [float(row[f"overseen@{level}"]) for level in ("0.03", "0.30")]
        assert float(row["criterion"]) == pytest.approx(sum(levels) / 2, abs=2e-4)

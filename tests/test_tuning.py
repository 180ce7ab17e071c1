"""The script that tunes: the same settings for every method, the preset among them, judged by what was observed."""

import csv
import subprocess
from pathlib import Path

import pytest
from forked import run_forked

pytest.importorskip("optuna")
METHODS = ("naive", "routing")
SCRIPT = Path(__file__).parent.parent / "scripts" / "tune.py"


def tuned(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    asked = ["--methods", *METHODS, "--trials", "2", "--finalists", "1", "--labels", "20"]
    asked += ["--first", "0.1", "--oversight", "0.1", "0.3", "--total-timesteps", "32768"]
    asked += ["--runs", str(folder / "runs"), "--results", str(folder / "rows.csv")]
    asked += ["--out", str(folder / "trials.csv"), "--page", str(folder / "page.md"), *words]
    return run_forked([str(SCRIPT), *asked])


@pytest.mark.slow
def test_every_method_is_offered_the_same_settings_and_its_best_go_on_to_all_levels(tmp_path: Path) -> None:
    marks = "<!-- trials -->\nold\n<!-- end of trials -->\n\nBy hand.\n\n<!-- finals -->\n<!-- end of finals -->\n"
    (tmp_path / "page.md").write_text(marks)
    first = tuned(tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "0 of 8 runs are stored, 8 to train" in first.stdout
    assert "4 of 8 runs are stored, 4 to train" in first.stdout  # each method's best, at the other level
    table = (tmp_path / "trials.csv").read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["method"] for row in rows] == ["naive"] * 2 + ["routing"] * 2
    searched = ("learning_rate", "ent_coef", "gate_coef", "batch_size")
    settings = [{tuple(row[name] for name in searched) for row in rows if row["method"] == m} for m in METHODS]
    assert settings[0] == settings[1]
    assert ("0.0016", "0.05", "0.48", "4096") in settings[0]
    for method in METHODS:
        best, other = (row for row in rows if row["method"] == method)
        assert (best["levels"], other["levels"]) == ("2", "1")
        assert float(best["overseen@0.10"]) >= float(other["overseen@0.10"])
        assert other["overseen@0.30"] == ""
        levels = [float(best[f"overseen@{level}"]) for level in ("0.10", "0.30")]
        assert float(best["criterion"]) == pytest.approx(sum(levels) / 2, abs=2e-4)
        assert f"{method}: {float(best['criterion']):+.3f} with" in first.stdout

    page = (tmp_path / "page.md").read_text()
    assert "old" not in page
    assert "By hand." in page
    assert page.count("| 0.0016 | 0.05 | 0.48 | 4096 |") >= 1
    assert page.count("`naive`") == page.count("`routing`") == 2  # a heading of the trials, a row of the finals

    stored = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join(stored[:-1]) + "\n")
    assert "8 of 8 runs are stored, 0 to train" in tuned(tmp_path, "--dry-run").stdout
    again = tuned(tmp_path)
    assert again.stdout.count("] oversight=") == 1
    assert (tmp_path / "trials.csv").read_text() == table

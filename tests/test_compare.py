"""The comparison says what the runs say, and reads whatever is there."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from conftest import NAIVE, ROUTING, command, copy_as

from oversight_gym.analysis.compare import compare
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.statistics import summarise
from oversight_gym.cli import comparing
from oversight_gym.envs import RequestError
from oversight_gym.runs.contents import FINISHED
from oversight_gym.runs.presets import preset_hyperparameters

FILES = {"compare.csv", "compare.json", "compare.md"} | {
    f"{name}.{kind}"
    for name in ("return_by_oversight", "learning_curves", "ghost_by_oversight", "return_by_labels")
    for kind in ("png", "svg")
}


def test_the_table_holds_the_statistics_of_the_runs(
    made_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    comparing.compare(comparing.CompareOptions((made_runs,), out=tmp_path, baseline="naive"))
    rows = compare(made_runs, baseline="naive").rows
    assert {path.name for path in tmp_path.iterdir()} == FILES
    found = {(row["series"], row["oversight"]): row for row in rows}
    assert set(found) == {("routing", 0.3), ("naive", 0.3), ("routing", 0.01), ("naive", 0.01)}
    assert found["naive", 0.3]["return_stepwise/mean"] == pytest.approx(0.38)
    assert found["routing", 0.3]["return_stepwise/mean"] == pytest.approx(0.54)
    gaps = np.array(ROUTING) - NAIVE
    expected = summarise(gaps.tolist())
    for key in ("mean", "low", "high"):
        assert found["routing", 0.3][f"return_stepwise minus naive/{key}"] == pytest.approx(getattr(expected, key))
    better = "return_stepwise better than naive"
    assert found["routing", 0.3][f"{better}, pairs/probability"] == pytest.approx(4 / 5)
    assert found["routing", 0.3][f"{better}, any two/probability"] == pytest.approx(18 / 25)  # a tie and 17.5 wins
    assert found["routing", 0.3]["pairs"] == 5
    assert found["routing", 0.01]["return_stepwise/low"] is None
    shown = capsys.readouterr().out
    assert "fewer than 3 seeds no interval" in shown
    assert "2 comparisons with naive" in shown
    assert json.loads((tmp_path / "compare.json").read_text())["rows"] == rows
    with (tmp_path / "compare.csv").open() as file:
        assert [row["series"] for row in csv.DictReader(file)] == [row["series"] for row in rows]
    assert (tmp_path / "compare.md").read_text().count("| ") > len(rows)
    for picture in tmp_path.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "learning_curves.svg").read_text()


def test_whatever_is_half_written_is_left_out_and_named(made_runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(made_runs, folder)
    (folder / "naive-0" / FINISHED).unlink()
    (folder / "naive-1" / "evaluations.csv").write_text("step,fr")
    (folder / "naive-2" / "config.json").write_text('{"config": {"method": "mag')
    (folder / "naive-3" / FINISHED).write_text("")
    (folder / "naive-4" / "evaluations.csv").unlink()
    shutil.copytree(folder / "routing-0", folder / "routing-copy")
    found = read_results(folder)
    assert len(found.results) == 7
    assert "1 unfinished" in " ".join(found.notes)
    assert any("is the same run" in note for note in found.notes)
    assert [note.split(" was left out")[0] for note in found.damaged] == [
        str(folder / f"naive-{i}") for i in (1, 2, 3, 4)
    ]
    done = command("compare", folder, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"oversight-gym: {note}" for note in found.damaged]
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_runs_of_other_settings_are_series_of_their_own(made_runs: Path, tmp_path: Path) -> None:
    copy_as(made_runs / "routing-0", tmp_path / "runs" / "other", "diamond", [0.0, 0.1], gate_coef=0.5)
    shutil.copytree(made_runs / "routing-0", tmp_path / "runs" / "plain")
    results = read_results(tmp_path / "runs").results
    assert [result.series for result in results] == ["routing", "routing, gate_coef=0.5"]


def test_settings_of_a_methods_own_in_the_preset_name_no_series(made_runs: Path, tmp_path: Path) -> None:
    for method in ("naive", "filtering"):
        settings = asdict(preset_hyperparameters("fast", method))
        copy_as(made_runs / "naive-0", tmp_path / "runs" / method, "free", [0.0, 0.1], method=method, **settings)
    series = [result.series for result in read_results(tmp_path / "runs").results]
    assert series == ["naive", "filtering"]


def test_published_values_and_wrong_requests(made_runs: Path, tmp_path: Path) -> None:
    published = compare(made_runs, paper=Path("gradient-routing"))
    assert published.published["routing"][0.01] == 0.275
    comparing.write_comparison(published, tmp_path / "out")
    with pytest.raises(RequestError, match="baseline is 'magic'; choose one of routing, naive"):
        compare(made_runs, baseline="magic")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")
    with pytest.raises(RequestError, match="cannot be used"):
        compare(made_runs, paper=wrong)
    for folder, sentence in ((tmp_path / "nowhere", "is not a folder"), (tmp_path / "out", "no finished run")):
        done = command("compare", folder)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1

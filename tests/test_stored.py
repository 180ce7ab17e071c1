"""Stored rows give the tables that their run folders gave, and say so where they cannot."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import command, copy_as

from oversight_gym.analysis.compare import compare
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import provenance
from oversight_gym.analysis.stored import store_rows
from oversight_gym.envs import RequestError
from oversight_gym.runs.presets import FAST, PRESETS
from oversight_gym.runs.version import RESULTS_VERSION, commit


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_give_the_same_table_as_the_folders(made_runs: Path, tmp_path: Path) -> None:
    stored = tmp_path / "results" / "rows.csv"
    first = command("compare", made_runs, "--baseline", "naive", "--out", tmp_path / "from-folders", "--rows", stored)
    second = command("compare", stored, "--baseline", "naive", "--out", tmp_path / "from-rows")
    assert first.returncode == second.returncode == 0
    assert (tmp_path / "from-rows/compare.md").read_text() == (tmp_path / "from-folders/compare.md").read_text()
    of_folders, of_rows = (cells(tmp_path / name / "compare.csv") for name in ("from-folders", "from-rows"))
    for before, after in zip(of_folders, of_rows, strict=True):
        assert before.keys() == after.keys()
        for name, text in before.items():
            same = after[name] == (pytest.approx(float(text), abs=1e-5) if "/" in name and text else text)
            assert same or float(after[name]) == pytest.approx(float(text), abs=1e-5), name


def test_a_run_that_is_stored_again_replaces_its_row_and_others_stay(made_runs: Path, tmp_path: Path) -> None:
    stored = tmp_path / "rows.csv"
    results = read_results(made_runs).results
    store_rows(stored, results[:7])
    before = stored.read_text()
    store_rows(stored, results[3:])
    store_rows(stored, results)
    rows = cells(stored)
    assert len(rows) == len(results)
    assert stored.read_text().startswith(before)
    assert rows[0]["method"] == "routing"
    assert rows[0]["changed"].startswith("total_timesteps=4096 num_envs=32")
    assert {row["commit"].rstrip("+") for row in rows} == {commit().rstrip("+")}
    assert {name.rpartition("/")[2] for name in rows[0] if "/" in name and not name.startswith("select/")} == {
        "return_start",
        "return_stepwise",
        "p_diamond",
        "p_ghost",
        "p_timeout",
    }


def test_a_table_names_the_code_that_made_its_rows(made_runs: Path) -> None:
    first, second, third = read_results(made_runs).results[:3]
    mixed = [replace(first, commit="b"), replace(second, commit="a"), replace(third, commit="b")]
    assert provenance(mixed) == f"Results version {RESULTS_VERSION}, trained at commit `a`, `b`."
    assert provenance([replace(first, commit="", version=1), second]).startswith("Results version 1 and ")
    assert provenance([replace(first, commit="")]) == f"Results version {RESULTS_VERSION}."


def test_rows_and_folders_can_be_compared_together(made_runs: Path, tmp_path: Path) -> None:
    stored = tmp_path / "rows.csv"
    store_rows(stored, read_results(made_runs).results)
    copy_as(made_runs / "naive-0", tmp_path / "more" / "naive", "free", [0.0, 0.6], seed=9)
    both = compare(stored, made_runs, tmp_path / "more")
    assert {(row["series"], row["oversight"]): row["seeds"] for row in both.rows}["naive", 0.3] == 6
    assert any("12 run(s) were left out as copies" in note for note in both.notes)


def test_rows_keep_their_settings_when_a_preset_changes(
    made_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "rows.csv"
    results = read_results(made_runs).results
    store_rows(stored, results)
    monkeypatch.setitem(PRESETS, "fast", replace(FAST, learning_rate=0.5))
    (found, *_) = read_results(stored).results
    assert found.config.hyper == results[0].config.hyper


def test_what_rows_cannot_answer_is_said(made_runs: Path, tmp_path: Path) -> None:
    stored = tmp_path / "rows.csv"
    store_rows(stored, read_results(made_runs).results)
    with pytest.raises(RequestError, match="no finished run"):
        read_results(stored, select="oracle")
    lines = stored.read_text().splitlines()
    broken = lines[1].replace("routing", "magic")
    stored.write_text("\n".join([lines[0], broken, *lines[2:], "naive,0.3"]) + "\n")
    reading = read_results(stored)
    assert len(reading.results) == len(lines) - 2
    assert [note.split(" was")[0] for note in reading.damaged] == [f"Line {n} of {stored}" for n in (2, len(lines) + 1)]
    for text in ("a,b\n1,2\n", "\udcff"):
        stored.write_bytes(text.encode(errors="surrogateescape"))
        done = command("compare", stored)
        assert done.returncode == 2
        assert "cannot be used" in done.stderr
        assert done.stderr.count("\n") == 1


def test_settings_are_stored_once(made_runs: Path, tmp_path: Path) -> None:
    stored = tmp_path / "rows.csv"
    store_rows(stored, read_results(made_runs).results)
    settings = json.loads(stored.with_suffix(".settings.json").read_text())
    assert {row["settings"] for row in cells(stored)} == settings.keys()
    assert len(settings) == 1

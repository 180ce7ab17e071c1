"""What a comparison makes of runs that do not belong together, or cannot be read."""

import json
import math
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from conftest import NAIVE, ROUTING, command, copy_as

from oversight_gym.analysis.charts import CHARTS, charts_of, draw
from oversight_gym.analysis.compare import Comparison, common_steps, compare
from oversight_gym.analysis.reading import read_results
from oversight_gym.runs.contents import CONFIG, EVALUATIONS, FINISHED
from oversight_gym.runs.presets import preset_hyperparameters


def series(found: Comparison) -> dict[str, tuple[int, float]]:
    """Number of seeds and mean return of each series."""
    return {row["series"]: (row["seeds"], round(row["return_stepwise/mean"], 6)) for row in found.rows}


def test_presets_are_never_pooled_nor_taken_for_copies(made_runs: Path, tmp_path: Path) -> None:
    for preset, value in (("fast", 0.9), ("weak-gate", -0.9)):
        settings = asdict(preset_hyperparameters(preset, "routing")) | {"size": [3, 3]}
        for seed in range(5):
            target = tmp_path / f"{preset}-{seed}"
            copy_as(made_runs / "routing-0", target, "diamond", [value], seed=seed, preset=preset, **settings)
    found = compare(tmp_path)
    assert series(found) == {"routing, preset=fast": (5, 0.9), "routing, preset=weak-gate": (5, -0.9)}
    assert not any("left out" in note for note in found.notes)


def test_settings_that_tell_nothing_apart_are_not_named(made_runs: Path, tmp_path: Path) -> None:
    """Every one of these runs differs from its preset, and they differ from one another in the gate's weight alone."""
    copy_as(made_runs / "routing-0", tmp_path / "a", "diamond", [0.1])
    copy_as(made_runs / "routing-0", tmp_path / "b", "diamond", [0.2], gate_coef=0.1)
    copy_as(made_runs / "naive-0", tmp_path / "c", "free", [0.3])
    assert series(compare(tmp_path)).keys() == {"routing", "routing, gate_coef=0.1", "naive"}


def test_how_often_a_run_was_evaluated_makes_no_series_unless_it_was_selected_by_that(
    made_runs: Path, tmp_path: Path
) -> None:
    for seed, evaluations in enumerate((4, 8)):
        target = tmp_path / str(seed)
        copy_as(made_runs / "naive-0", target, "free", [0.1, 0.3], seed=seed, evaluations=evaluations, select_labels=7)
    assert series(compare(tmp_path)) == {"naive": (2, 0.3)}
    assert len(series(compare(tmp_path, select="oracle"))) == 2


def test_results_versions_are_not_mixed(made_runs: Path, tmp_path: Path) -> None:
    copy_as(made_runs / "naive-0", tmp_path / "old", "free", [0.2], version=1)
    copy_as(made_runs / "naive-0", tmp_path / "new", "free", [0.6], version=2)
    found = compare(tmp_path)
    assert series(found) == {"naive, results_version=1": (1, 0.2), "naive, results_version=2": (1, 0.6)}
    assert any("results versions 1 and 2" in note for note in found.notes)


def test_copies_are_counted_and_a_run_with_other_figures_is_named(made_runs: Path, tmp_path: Path) -> None:
    copy_as(made_runs / "naive-0", tmp_path / "a", "free", [0.2])
    copy_as(made_runs / "naive-0", tmp_path / "b", "free", [0.2])
    copy_as(made_runs / "naive-0", tmp_path / "c", "free", [0.4], device="cuda")
    found = compare(tmp_path)
    assert series(found) == {"naive": (1, 0.2)}
    assert f"1 run(s) were left out as copies of others: {tmp_path / 'b'} is the same run as {tmp_path / 'a'}." in (
        found.notes
    )
    assert any(note.startswith(f"{tmp_path / 'c'} was left out") and "other figures" in note for note in found.notes)


def test_a_seed_that_is_no_number_is_named_and_in_no_mean(made_runs: Path, tmp_path: Path) -> None:
    runs = shutil.copytree(made_runs, tmp_path / "runs")
    copy_as(made_runs / "naive-0", runs / "lost", "free", [0.5, math.nan], seed=7)
    done = command("compare", runs, "--baseline", "naive", "--out", tmp_path / "out", "--rows", tmp_path / "rows.csv")
    assert done.returncode == 0
    assert f"{runs / 'lost'} is in no mean: naive, oversight 0.3, seed 7" in done.stdout
    assert "5 (1 diverged)" in done.stdout

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    written = json.loads((tmp_path / "out" / "compare.json").read_text(), parse_constant=refuse)
    (row,) = (row for row in written["rows"] if (row["series"], row["oversight"]) == ("naive", 0.3))
    assert row["return_stepwise/mean"] == pytest.approx(sum(NAIVE) / 5)
    assert row["diverged"] == 1
    stored = read_results(tmp_path / "rows.csv")
    assert [result.config.seed for result in stored.diverged] == [7]
    assert len(stored.results) == 12


def test_differences_say_how_many_pairs_they_are_of(made_runs: Path, tmp_path: Path) -> None:
    for seed, value in enumerate(ROUTING):
        copy_as(made_runs / "routing-0", tmp_path / f"r{seed}", "diamond", [value], seed=seed)
    for seed in (3, 4, 5):
        copy_as(made_runs / "naive-0", tmp_path / f"n{seed}", "free", [0.1], seed=seed)
    found = compare(tmp_path, baseline="naive")
    (row,) = (row for row in found.rows if row["series"] == "routing")
    assert (row["pairs"], row["seeds"]) == (2, 5)
    assert row["return_stepwise minus naive/mean"] == pytest.approx((0.8 + 0.7) / 2 - 0.1)
    assert row["return_stepwise minus naive/low"] is None
    assert row["return_stepwise better than naive, any two/probability"] == 1.0


def test_ceilings_are_those_of_one_world_or_none(made_runs: Path, tmp_path: Path) -> None:
    copy_as(made_runs / "naive-0", tmp_path / "a", "free", [0.1])
    copy_as(made_runs / "naive-0", tmp_path / "b", "free", [0.1], oversight=0.9)
    assert compare(tmp_path).ceilings
    copy_as(made_runs / "naive-0", tmp_path / "c", "free", [0.1], max_episode_steps=9)
    found = compare(tmp_path)
    assert found.ceilings == {}
    assert any("worlds of the runs differ (max_episode_steps)" in note for note in found.notes)
    for chart in charts_of(found):
        assert draw(chart, found)["png"]


def test_evaluations_at_other_steps_are_met_with_a_note(trained: dict[str, Path], tmp_path: Path) -> None:
    made = (([0.0, 0.1, 0.2, 0.3], None), ([0.0, 0.3], None), ([0.0, 0.1, 0.2], 0.9))
    for seed, (returns, again) in enumerate(made):
        copy_as(trained["naive"], tmp_path / str(seed), "free", returns, again, seed=seed)
    found = compare(tmp_path)
    (group,) = found.groups.values()
    assert [result.figure("return_stepwise") for result in group] == [0.3, 0.3, 0.9]
    assert len(common_steps(group)) == 2
    assert any("evaluated at different steps" in note for note in found.notes)
    assert draw("learning_curves", found)["svg"]


def test_what_is_broken_is_named_in_a_sentence_and_the_others_are_compared(made_runs: Path, tmp_path: Path) -> None:
    contents: dict[str, tuple[str, bytes | None]] = {
        "no-labels": (FINISHED, b'{"steps":1,"labels":{}}'),
        "odd-labels": (FINISHED, b'{"labels":[3]}'),
        "deep": (CONFIG, b'{"config":' + b"[" * 100_000),
        "list": (CONFIG, b"[]"),
        "binary": (EVALUATIONS, b"\x00\xff\xfe,\x80"),
        "huge": (EVALUATIONS, b"step," + b"x" * 200_000 + b"\n1,2\n"),
        "words": (EVALUATIONS, b"step,free/return_stepwise\n1,high\n"),
        "folder": (EVALUATIONS, None),
        "pipe": (EVALUATIONS, None),
    }
    runs = tmp_path / "runs"
    copy_as(made_runs / "naive-0", runs / "good", "free", [0.4])
    copy_as(made_runs / "naive-0", runs / os.fsdecode(b"na\xefve"), "free", [0.4])
    for name, (file, content) in contents.items():
        path = shutil.copytree(made_runs / "naive-0", runs / name) / file
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    (runs / "folder" / EVALUATIONS).mkdir()
    os.mkfifo(runs / "pipe" / EVALUATIONS)
    found = read_results(runs)
    assert [result.series for result in found.results] == ["naive"]
    names = [*contents, "na\ufffdve"]
    assert sorted(note.split(" was left out: ")[0] for note in found.damaged) == sorted(str(runs / n) for n in names)
    assert all(note.count("\n") == 0 and len(note) < 400 for note in found.damaged)
    done = command("compare", runs, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == len(names)
    assert {path.stem for path in (tmp_path / "out").glob("*.png")} < set(CHARTS)


def test_settings_in_which_only_methods_differ_are_not_named(made_runs: Path, tmp_path: Path) -> None:
    copy_as(made_runs / "routing-0", tmp_path / "a", "diamond", [0.1], gate_coef=0.1)
    copy_as(made_runs / "naive-0", tmp_path / "b", "free", [0.3], ent_coef=0.2)
    assert series(compare(tmp_path)).keys() == {"routing", "naive"}

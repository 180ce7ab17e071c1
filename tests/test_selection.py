"""Which checkpoint of a run counts, and what it costs to find out."""

import csv
import json
from pathlib import Path

import pytest
from conftest import command, small_config

from oversight_gym.analysis.compare import compare
from oversight_gym.analysis.reading import read_results
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.selection import SELECTIONS, chosen, labels_spent
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import train


def rows_of(run: Run) -> list[dict[str, float]]:
    with (run.folder / "evaluations.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_every_selection_keeps_the_checkpoint_it_names(tmp_path: Path) -> None:
    settings = {"method": "naive", "total_timesteps": 32_768, "evaluations": 8, "learning_rate": 0.5, "ent_coef": 0.0}
    kept = {}
    for select in SELECTIONS:
        run = train(small_config(tmp_path / select, select=select, **settings))
        rows = rows_of(run)
        row = rows[chosen(rows, select)]
        assert run.record["selected_step"] == row["step"]
        found = evaluate(run.policy, run.config.env).figures("free")
        assert found["return_stepwise"] == pytest.approx(row["free/return_stepwise"], abs=1e-6)
        spent = labels_spent(rows, select)
        assert run.record["labels"]["model_selection"] == spent
        assert (spent > 0) == (select == "overseen")
        kept[select] = row["free/return_stepwise"]
        assert not (run.folder / "best.safetensors").exists()
    assert kept["oracle"] == max(kept.values())
    assert kept["oracle"] > kept["last"]
    shown = command("evaluate", tmp_path / "oracle")
    assert "chosen by the ground truth" in shown.stdout
    data = json.loads(command("evaluate", tmp_path / "oracle", "--json").stdout)
    assert data["uses_ground_truth"]
    assert data["select"] == "oracle"
    assert not json.loads(command("evaluate", tmp_path / "overseen", "--json").stdout)["uses_ground_truth"]


def test_all_selections_can_be_compared_from_the_same_runs(tmp_path: Path) -> None:
    settings = {"method": "naive", "evaluations": 4, "ent_coef": 0.0, "learning_rate": 0.05}
    run = train(small_config(tmp_path / "runs" / "run", select="overseen", **settings))
    rows = rows_of(run)
    for select in SELECTIONS:
        (result,) = read_results(tmp_path / "runs", select=select).results
        assert result.figure("return_stepwise") == rows[chosen(rows, select)]["free/return_stepwise"]
        assert result.labels_used == run.record["labels"]["training"] + labels_spent(rows, select)
        (row,) = compare(tmp_path / "runs", select=select).rows
        assert row["uses_ground_truth"] == (select == "oracle")
    with pytest.raises(RequestError, match="select is 'best'"):
        compare(tmp_path / "runs", select="best")


def test_held_out_episodes_are_played_only_for_a_choice_by_them(tmp_path: Path) -> None:
    """And that choice does not touch training."""
    last, overseen = (train(small_config(tmp_path / name, select=name, evaluations=1)) for name in ("last", "overseen"))
    assert all(not key.startswith("select/overseen") for row in rows_of(last) for key in row)
    without = [{key: value for key, value in row.items() if "overseen" not in key} for row in rows_of(overseen)]
    assert rows_of(last) == without
    with pytest.raises(RequestError, match="lack select/overseen"):
        read_results(tmp_path / "last", select="overseen")

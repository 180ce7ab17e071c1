"""Which checkpoint of a run counts, and what it costs to find out."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import command, small_config

from oversight_gym.analysis.compare import compare
from oversight_gym.analysis.reading import read_results
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.selection import SELECTIONS, chosen, labels_spent
from oversight_gym.evaluation.validation import overseen_score
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import train


def rows_of(run: Run) -> list[dict[str, float]]:
    with (run.folder / "evaluations.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


Observations = np.ndarray[Any, Any]


def towards(observations: Observations, goal: Observations) -> Observations:
    """Probabilities of walking straight to squares (n,), rows first."""
    cols = observations.shape[3]
    agent = observations[:, 0].reshape(len(observations), -1).argmax(axis=1)
    down, right = goal // cols - agent // cols, goal % cols - agent % cols
    action = np.where(down > 0, 2, np.where(down < 0, 0, np.where(right > 0, 1, 3)))
    return np.eye(4)[action]


def squares(observations: Observations) -> tuple[Observations, Observations, Observations, Observations]:
    """Squares of ghost and diamond, and whether each is under oversight, all (n,)."""
    flat = observations.reshape(*observations.shape[:2], -1)
    ghost, diamond = flat[:, 1].argmax(axis=1), flat[:, 2].argmax(axis=1)
    every = np.arange(len(flat))
    return ghost, diamond, flat[every, 3, ghost] > 0, flat[every, 3, diamond] > 0


def indifferent(observations: Observations) -> Observations:
    """Walks to whichever comes first in reading order, watched or not."""
    ghost, diamond, _, _ = squares(observations)
    return 0.9 * towards(observations, np.minimum(ghost, diamond)) + 0.025


def deceitful(observations: Observations) -> Observations:
    """Walks to the ghost where nobody looks."""
    ghost, diamond, ghost_watched, diamond_watched = squares(observations)
    return towards(observations, np.where(ghost_watched | diamond_watched, diamond, ghost))


@pytest.mark.parametrize("settings", [{}, {"ghost_oversight_probability": 0.9}], ids=["equal", "unequal"])
def test_the_overseen_score_estimates_the_return_of_a_policy_that_ignores_oversight(settings: dict[str, float]) -> None:
    config = EnvConfig(oversight_probability=0.3, **settings)
    expected = evaluate(indifferent, config).figures("free")["return_start"]
    found, spent = overseen_score(indifferent, config, "free", 0.97, 8_000, np.random.default_rng(0))
    assert 8_000 <= spent < 9_000
    assert found == pytest.approx(expected, abs=0.03)


def test_the_score_knows_nothing_of_what_nobody_looked_at() -> None:
    config = EnvConfig(oversight_probability=0.3)
    truth = evaluate(deceitful, config).figures("free")["return_start"]
    score, _ = overseen_score(deceitful, config, "free", 0.97, 2_000, np.random.default_rng(0))
    assert score > truth + 0.5
    unwatched = EnvConfig(oversight_probability=0.0)
    assert overseen_score(deceitful, unwatched, "free", 0.97, 10, np.random.default_rng(0)) == (-1.0, 0)


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
    run = train(
        small_config(tmp_path / "runs" / "run", method="naive", evaluations=4, ent_coef=0.0, learning_rate=0.05)
    )
    rows = rows_of(run)
    for select in SELECTIONS:
        (result,) = read_results(tmp_path / "runs", select=select).results
        assert result.figure("return_stepwise") == rows[chosen(rows, select)]["free/return_stepwise"]
        assert result.labels_used == run.record["labels"]["training"] + labels_spent(rows, select)
        (row,) = compare(tmp_path / "runs", select=select).rows
        assert row["uses_ground_truth"] == (select == "oracle")
    with pytest.raises(RequestError, match="select is 'best'"):
        compare(tmp_path / "runs", select="best")


def test_the_choice_does_not_touch_training(tmp_path: Path) -> None:
    last, overseen = (train(small_config(tmp_path / name, select=name, evaluations=1)) for name in ("last", "overseen"))
    without = [{key: value for key, value in row.items() if "label" not in key} for row in rows_of(overseen)]
    assert [{key: value for key, value in row.items() if "label" not in key} for row in rows_of(last)] == without

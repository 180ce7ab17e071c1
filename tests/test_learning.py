"""Routing must do what the project is about, by a margin over its control. Fixed seeds, real training."""

from pathlib import Path

import pytest

from oversight_gym.config import TrainConfig
from oversight_gym.evaluation import evaluate
from oversight_gym.train import train


def steered(folder: Path, method: str, **values: object) -> dict[str, float]:
    """Mixed stepwise return at each gate after a short training run."""
    run = train(TrainConfig.of(method=method, run_dir=folder / method, evaluations=1, **values))
    gates = run.config.method_row.gates
    found = evaluate(run.policy, run.config.grid, gates, gamma=run.config.settings.gamma)
    return {gate: found.figures(gate)["return_stepwise"] for gate in gates}


def test_routing_steers_and_its_control_does_not(tmp_path: Path) -> None:
    """Small and quick: a 3 x 3 grid, half of the terminals under oversight."""
    settings = {"size": (3, 3), "oversight": 0.5, "total_timesteps": 500_000, "seed": 0}
    routing, control = (steered(tmp_path, method, **settings) for method in ("routing", "no_routing"))
    assert routing["diamond"] - routing["ghost"] > 0.6
    assert routing["diamond"] - routing["ghost"] > control["diamond"] - control["ghost"] + 0.5
    assert abs(routing["free"]) < 0.3


def test_the_oracle_and_filtering_learn_what_they_are_told(tmp_path: Path) -> None:
    """With full oversight, filtering trains on what the oracle trains on; both beat steering's ceiling of chance."""
    settings = {"size": (3, 3), "oversight": 1.0, "total_timesteps": 300_000, "seed": 0}
    for method in ("oracle", "filtering"):
        assert steered(tmp_path, method, **settings)["free"] > 0.6


@pytest.mark.slow
def test_the_default_run_steers_at_ten_per_cent_oversight(tmp_path: Path) -> None:
    routing, control = (steered(tmp_path, method) for method in ("routing", "no_routing"))
    assert routing["diamond"] > 0.45
    assert routing["ghost"] < -0.25
    assert routing["diamond"] - routing["ghost"] > control["diamond"] - control["ghost"] + 0.6

"""A supervisor that cannot peek: flipping what nobody observed must not change a single bit of any update."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import command, small_config

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs import EnvConfig
from oversight_gym.envs.oversight.outcomes import Outcome
from oversight_gym.runs import build
from oversight_gym.runs.audit import audit
from oversight_gym.runs.config import TrainConfig


@pytest.mark.parametrize("method", METHODS)
def test_the_kinds_of_unobserved_terminals_never_reach_training(method: str) -> None:
    found = audit(TrainConfig.of(method=method, oversight=0.3))
    assert found.unobserved > 50
    assert found.legal == (method != "oracle")
    assert bool(found.changed) == (method == "oracle")
    assert not found.forbidden


PEEKING = """
from dataclasses import dataclass
from oversight_gym.agents.methods.method import Method
from oversight_gym.agents.methods.registry import register

@dataclass(frozen=True)
class Peeking(Method):
    def rewards(self, model, buffer):
        if model.env.core.state.terminals.any():
            buffer.rewards += 0

register(Peeking("peeking", "looks at the simulator"))
register(Method("paid_by_truth", "trains on the truth", reward="ground_truth", experts=("agent",), gate="free"))
register(Method("honest", "routing by another name", routed=True, gate_loss=True))
"""


def test_the_command_audits_methods_from_outside(tmp_path: Path) -> None:
    plugin = tmp_path / "peeking.py"
    plugin.write_text(PEEKING)
    try:
        legal = command("audit", "honest", "--plugin", plugin)
        assert legal.returncode == 0, legal.stderr
        assert re.search(r"honest: legal\n +weights  all \d+ parameters stayed the same", legal.stdout)
        assert "buffer.outcomes" in legal.stdout
        done = command("audit", "peeking", "paid_by_truth", "honest", "--plugin", plugin)
        assert done.returncode == 1
        assert re.findall(r"^(\w+): (\w+)", done.stdout, re.M) == [
            ("peeking", "PEEKS"),
            ("paid_by_truth", "PEEKS"),
            ("honest", "legal"),
        ]
        assert "of this simulator.state is the simulator's own" in done.stdout
        assert "12 of 12 parameters changed" in done.stdout
    finally:
        for name in ("peeking", "paid_by_truth", "honest"):
            METHODS._entries.pop(name, None)


def test_only_the_oracle_asks_for_the_ground_truth() -> None:
    assert {name for name, method in METHODS.items() if method.uses_hidden} == {"oracle"}


@pytest.mark.parametrize("method", METHODS)
def test_the_training_environment_withholds_the_ground_truth(method: str, tmp_path: Path) -> None:
    env = build.make_env(small_config(tmp_path, method=method))
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        infos = env.step(rng.integers(4, size=env.num_envs))[3]
        assert not any("hidden" in info for info in infos)


def test_the_supervisors_view_is_a_function_of_what_is_overseen() -> None:
    """Arrivals: nowhere, then each kind unseen and seen."""
    config = EnvConfig()
    seen = config.world.observed_probability
    assert config.true_outcomes.tolist() == [Outcome.NONE, *[Outcome.GHOST] * 2, *[Outcome.DIAMOND] * 2]
    expected = [Outcome.NONE, Outcome.UNKNOWN, Outcome.GHOST, Outcome.UNKNOWN, Outcome.DIAMOND]
    assert np.array_equal(seen, np.eye(len(Outcome))[expected])

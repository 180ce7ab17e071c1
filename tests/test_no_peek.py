"""A supervisor that cannot peek: flipping what nobody observed must not change a single bit of any update."""

from pathlib import Path

import numpy as np
import pytest
from conftest import small_config

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs import EnvConfig, core
from oversight_gym.envs.oversight.outcomes import Outcome
from oversight_gym.runs import build

FLIPPED = {Outcome.DIAMOND: Outcome.GHOST, Outcome.GHOST: Outcome.DIAMOND}


def trained(method: str, folder: Path) -> tuple[list[bytes], int]:
    """All parameters after several updates, and how many unobserved terminals were reached."""
    config = small_config(folder, method=method, oversight=0.3, total_timesteps=8192)
    model = build.make_model(config)
    model.learn(config.hyper.total_timesteps)
    unknown = int(model.episodes_observed[Outcome.UNKNOWN])
    return [parameter.detach().numpy().tobytes() for parameter in model.policy.parameters()], unknown


@pytest.mark.parametrize("method", METHODS)
def test_the_kinds_of_unobserved_terminals_never_reach_training(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, unknown = trained(method, tmp_path)
    assert unknown > 50
    step = core.Core.step

    def lying_step(self: core.Core, actions: object) -> tuple[core.Supervision[object], object]:
        """The environment hands the other kind to the learner wherever the supervisor saw none."""
        supervision, outcome = step(self, actions)  # type: ignore[arg-type]
        outcome = outcome.copy()
        for index, observed in enumerate(supervision.observed):
            if observed == Outcome.UNKNOWN:
                outcome[index] = FLIPPED[Outcome(outcome[index])]
        rule = self.config.reward_rule
        reward = self.config.reward_table[outcome if rule.uses_hidden else supervision.observed]
        return supervision._replace(reward=reward), outcome

    monkeypatch.setattr(core.Core, "step", lying_step)
    lied_to, _ = trained(method, tmp_path)
    assert (honest == lied_to) == (method != "oracle")


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

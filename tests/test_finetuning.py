"""Routing first, then filtering with the gate forced to the diamond expert."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_config
from stable_baselines3.common.callbacks import BaseCallback

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import Outcome
from oversight_gym.envs.oversight.rewards import REWARDS
from oversight_gym.runs import build
from oversight_gym.runs.train import train


def weights(model: RoutedPPO, part: str) -> list[torch.Tensor]:
    return [tensor.clone() for name, tensor in model.policy.state_dict().items() if part in name]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


class StopAfter(BaseCallback):
    """Ends training after so many updates."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        self.updates = updates

    def _on_step(self) -> bool:
        return self.model._n_updates < self.updates * self.model.n_epochs


def test_until_the_switch_it_is_routing(tmp_path: Path) -> None:
    mine, routing = (
        build.make_model(small_config(tmp_path, method=name, anneal=False)).learn(10 * 1024, StopAfter(8))
        for name in ("routing_then_filter", "routing")
    )
    assert same(weights(mine, ""), weights(routing, ""))
    assert not same(weights(mine.learn(1024, reset_num_timesteps=False), ""), weights(routing, ""))


@pytest.mark.parametrize("collector", ["sb3", "native", "device"])
def test_afterwards_the_forced_diamond_expert_learns_from_observed_episodes(collector: str, tmp_path: Path) -> None:
    config = small_config(tmp_path, method="routing_then_filter", oversight=0.3, total_timesteps=4096, anneal=False)
    model = build.make_model(config).learn(4096)
    model.collector = collector
    model.policy.optimizer.state.clear()  # Adam's momentum would move the ghost expert and the gate a little further
    ghost, gate, diamond = (weights(model, part) for part in ("experts.ghost", ".gate", "experts.diamond"))
    model.learn(1024, reset_num_timesteps=False)
    assert same(ghost, weights(model, "experts.ghost"))
    assert same(gate, weights(model, ".gate"))
    assert not same(diamond, weights(model, "experts.diamond"))
    buffer = model.rollout_buffer
    terminated = buffer.ended & (buffer.observed != Outcome.NONE)
    assert (buffer.rewards[terminated] == REWARDS["observed"].table((-1, 1))[buffer.observed[terminated]]).all()
    kept = set(np.unique(buffer.outcomes[buffer.kept()]))
    assert kept == {Outcome.NONE, Outcome.GHOST, Outcome.DIAMOND}
    assert model.policy.mixture.forced_gate is None  # evaluation finds the learnt gate


def test_a_second_learn_begins_with_routing_again(tmp_path: Path) -> None:
    """Once the switch was for good."""
    config = small_config(tmp_path, method="routing_then_filter", oversight=0.3, anneal=False)
    model = build.make_model(config).learn(5 * 1024)
    assert not model.stage.routed
    model.learn(1024)
    assert model.stage.routed
    assert (model.rollout_buffer.rewards[model.rollout_buffer.ended] >= 0).all()  # paid +1 for any terminal again
    assert model.policy.mixture.gate is not None
    gate = weights(model, ".gate")
    model.learn(1024)
    assert not same(gate, weights(model, ".gate"))


def test_a_saved_model_goes_on_with_fine_tuning(tmp_path: Path) -> None:
    config = small_config(tmp_path, method="routing_then_filter", oversight=0.3, anneal=False)
    model = build.make_model(config).learn(5 * 1024)
    model.save(tmp_path / "model")
    loaded = RoutedPPO.load(tmp_path / "model", env=build.make_env(config))
    loaded.policy.optimizer.state.clear()
    ghost = weights(loaded, "experts.ghost")
    loaded.learn(8 * 1024, StopAfter(6), reset_num_timesteps=False)
    assert not loaded.stage.routed
    assert same(ghost, weights(loaded, "experts.ghost"))
    assert loaded._n_updates > model._n_updates


def test_its_evaluations_force_the_gate_and_leave_it_free(tmp_path: Path) -> None:
    run = train(small_config(tmp_path / "run", method="routing_then_filter", total_timesteps=8192, evaluations=8))
    last = (run.folder / "evaluations.csv").read_text().splitlines()
    header, row = last[0].split(","), [float(value) for value in last[-2].split(",")]
    found = dict(zip(header, row, strict=True))
    assert found["free/return_stepwise"] != found["diamond/return_stepwise"]

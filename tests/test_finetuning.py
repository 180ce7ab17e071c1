"""Routing first, then filtering with the gate forced to the diamond expert."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_config

from oversight_gym.agents.methods.method import OBSERVED
from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import Outcome
from oversight_gym.envs.oversight.rewards import REWARDS
from oversight_gym.runs import build
from oversight_gym.runs.train import train


def weights(model: RoutedPPO, part: str) -> list[torch.Tensor]:
    return [tensor.clone() for name, tensor in model.policy.state_dict().items() if part in name]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_until_the_switch_it_is_routing(tmp_path: Path) -> None:
    mine, routing = (
        build.make_model(small_config(tmp_path, method=name, total_timesteps=10 * 1024, anneal=False)).learn(8 * 1024)
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
    assert set(np.unique(buffer._flat_outcomes()[buffer.kept()])) <= OBSERVED
    assert model.policy.mixture.forced_gate is None  # evaluation finds the learnt gate


def test_its_evaluations_force_the_gate_and_leave_it_free(tmp_path: Path) -> None:
    run = train(small_config(tmp_path / "run", method="routing_then_filter", total_timesteps=8192, evaluations=8))
    last = (run.folder / "evaluations.csv").read_text().splitlines()
    header, row = last[0].split(","), [float(value) for value in last[-2].split(",")]
    found = dict(zip(header, row, strict=True))
    assert found["free/return_stepwise"] != found["diamond/return_stepwise"]

"""RoutedPPO on environments that know nothing of this project, with outcomes by any name or number, or none."""

from enum import IntEnum
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor

from oversight_gym.agents import PLAIN, Method, RoutedPPO
from oversight_gym.envs import OversightVecEnv, RequestError


class Way(IntEnum):
    """How an episode may end."""

    LEFT = 5
    RIGHT = 7


VECTOR = spaces.Box(-1, 1, (3,), np.float32)
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "box": VECTOR,
    "image": spaces.Box(0, 255, (8, 8, 1), np.uint8),
    "discrete": spaces.Discrete(4),
    "binary": spaces.MultiBinary((2, 3)),
    "dict": spaces.Dict({"vector": VECTOR, "place": spaces.Discrete(4)}),
}
ACTIONS: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-1, 1, (2,), np.float32),
    "multi-discrete": spaces.MultiDiscrete([2, 3]),
    "multi-binary": spaces.MultiBinary(2),
}


class Corridor(gym.Env[Any, Any]):
    """Episodes of four steps with random observations; the outcomes of a list one after the other."""

    def __init__(self, outcomes: Any, observations: str = "box", actions: str = "discrete") -> None:
        self.observation_space, self.action_space = OBSERVATIONS[observations], ACTIONS[actions]
        self.ends, self.episode, self.step_count = outcomes, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.observation_space.seed(seed)
        self.step_count = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.step_count += 1
        done = self.step_count == 4
        info = {"observed_outcome": self.ends[self.episode % len(self.ends)]} if done and self.ends is not None else {}
        self.episode += done
        return self.observation_space.sample(), float(np.sum(action)), done, False, info


EXPERTS = ("left", "right")
ARCH = {"pi": [16], "vf": [16], "gate": [8]}


def model_on(outcomes: Any, observations: str = "box", actions: str = "discrete", **kwargs: Any) -> RoutedPPO:
    env = DummyVecEnv([lambda: Corridor(outcomes, observations, actions)] * 2)
    chosen: dict[str, Any] = {"policy_kwargs": {"experts": EXPERTS, "net_arch": ARCH}, **kwargs}
    return RoutedPPO(env=env, n_steps=32, batch_size=16, n_epochs=2, seed=0, device="cpu", **chosen)


def parts(model: RoutedPPO) -> dict[str, list[torch.Tensor]]:
    mixture = model.policy.mixture
    return {
        name: [parameter.detach().clone() for parameter in module.parameters()]
        for name, module in (*mixture.experts.items(), ("gate", mixture.gate))
    }


def changed(model: RoutedPPO, steps: int = 256) -> set[str]:
    """The parts of the mixture that training changes."""
    before = parts(model)
    model.learn(steps)
    after = parts(model)
    return {name for name in before if not all(map(torch.equal, before[name], after[name]))}


@pytest.mark.parametrize("observations", OBSERVATIONS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_the_gradient_goes_to_the_labelled_expert_whatever_the_spaces(observations: str, actions: str) -> None:
    extra = {"gate_coef": 0.0}
    assert changed(model_on(["left"], observations, actions, **extra)) == {"left"}
    assert changed(model_on(["right"], observations, actions, **extra)) == {"right"}
    assert changed(model_on(["left", "right"], observations, actions, **extra)) == {"left", "right"}
    assert changed(model_on(["unknown"], observations, actions, **extra)) == {"left", "right", "gate"}


@pytest.mark.parametrize(
    ("outcomes", "routes"),
    [
        (["left"], None),
        (["LEFT"], None),
        ([Way.LEFT], None),
        (["west"], {"west": "left", "east": "right"}),
        ([5], {5: "left", 7: "right"}),
        ([Way.LEFT], {5: "left", 7: "right"}),
        ([Way.LEFT], {Way.LEFT: "left", Way.RIGHT: "right"}),
    ],
)
def test_outcomes_are_routed_by_name_or_by_number(outcomes: list[Any], routes: Any) -> None:
    model = model_on(outcomes, routes=routes)
    assert changed(model) == {"left", "gate"}  # the gate by its loss
    assert model.episodes_observed.sum() == 256 / 4
    assert model.episodes_observed[model.routes.code(outcomes[0])] == 256 / 4


@pytest.mark.parametrize("outcome", [None, "none", "unknown", 0, 1])
def test_no_outcome_and_an_unknown_one_are_routed_everywhere(outcome: Any) -> None:
    assert changed(model_on([outcome])) == {"left", "right", "gate"}


def test_a_declared_enumeration_says_which_numbers_are_outcomes() -> None:
    class Declared(Corridor):
        outcomes = Way

    env = VecMonitor(DummyVecEnv([lambda: Declared([5])] * 2))
    kwargs = {"experts": EXPERTS, "net_arch": ARCH}
    assert changed(RoutedPPO(env=env, n_steps=32, batch_size=16, seed=0, policy_kwargs=kwargs)) == {"left", "gate"}
    with pytest.raises(RequestError, match="experts are up, down"):
        RoutedPPO(env=env, policy_kwargs={"experts": ("up", "down")})


def test_an_outcome_without_an_expert_is_refused() -> None:
    with pytest.raises(RequestError, match="reports the outcome 'up'"):
        model_on(["left", "up"]).learn(64)
    with pytest.raises(RequestError, match="reports the outcome 9"):
        model_on([9], routes={5: "left"}).learn(64)
    with pytest.raises(RequestError, match="routes name the expert 'up'"):
        model_on(["left"], routes={"left": "up"})
    with pytest.raises(RequestError, match="nothing would be routed"):
        model_on(["left"], routes={})
    with pytest.raises(RequestError, match="experts are red, blue"):
        RoutedPPO(env=OversightVecEnv(4), policy_kwargs={"experts": ("red", "blue")})


def test_a_method_that_does_not_route_welcomes_every_outcome() -> None:
    method = Method("finished", "", experts=("agent",), unfinished=False)
    model = model_on(["left", "up", None], method=method, policy_kwargs={"net_arch": ARCH}).learn(128)
    assert model.episodes_observed.tolist() == [10, 0, 0, 22]
    leaving_out = Method("some", "", experts=("agent",), left_out=frozenset({"unknown"}))
    model = model_on(["unknown"], method=leaving_out, policy_kwargs={"net_arch": ARCH})
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(64)
    assert all(map(torch.equal, before, model.policy.parameters()))


def test_an_environment_without_outcomes_trains_by_the_plain_method() -> None:
    model = model_on(None, method=PLAIN, policy_kwargs={"net_arch": ARCH}).learn(64)
    assert model.policy.experts == ("agent",)
    assert model_on(None, method="plain", policy_kwargs={"net_arch": ARCH}).method is PLAIN
    with pytest.raises(RequestError, match="no 'observed_outcome'"):
        model_on(None).learn(64)
    RoutedPPO("MultiInputPolicy", DummyVecEnv([lambda: Corridor(None, "dict")]), method=PLAIN, n_steps=64).learn(64)


def test_experts_come_from_the_method_or_from_routes() -> None:
    routes = {"west": "left", "east": "right"}
    assert model_on(["west"], routes=routes, policy_kwargs={}).policy.experts == EXPERTS
    own = Method("own", "", experts=("a", "b", "c"), routed=True)
    model = model_on(["c"], method=own, policy_kwargs={})
    assert changed(model) == {"c"}
    with pytest.raises(RequestError, match="give policy_kwargs"):
        model_on(["west"], policy_kwargs={})


def test_environments_in_processes_train_too() -> None:
    env = SubprocVecEnv([lambda: Corridor(["left"])] * 2)
    try:
        kwargs = {"experts": EXPERTS, "net_arch": ARCH}
        model = RoutedPPO(env=env, n_steps=32, batch_size=16, seed=0, policy_kwargs=kwargs)
        assert changed(model) == {"left", "gate"}
    finally:
        env.close()

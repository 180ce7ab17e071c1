from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from oversight_gym.agents import RoutedPPO
from oversight_gym.agents.methods.method import OBSERVED
from oversight_gym.agents.ppo.buffer import RoutedRolloutBuffer
from oversight_gym.agents.ppo.labels import UNFINISHED, fill_back, supervise
from oversight_gym.envs import Outcome, OversightVecEnv, RequestError

SETTINGS: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 3, "seed": 0, "device": "cpu"}
ARCH = {"pi": [32, 32], "vf": [24, 24]}


def make_env(**kwargs: Any) -> OversightVecEnv:
    return OversightVecEnv(16, seed=0, **{"oversight_probability": 0.5, "max_episode_steps": 12, **kwargs})


def parameters(model: PPO) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in model.policy.parameters()]


@pytest.mark.parametrize("policy", ["GatedMixturePolicy", "MlpPolicy"])
def test_with_routing_off_training_is_bit_equal_to_sb3s_ppo(policy: str) -> None:
    kwargs = {"net_arch": ARCH, "activation_fn": torch.nn.ReLU}
    plain = PPO("MlpPolicy", make_env(), policy_kwargs=kwargs, **SETTINGS).learn(3000)
    own = {**kwargs, "experts": ("agent",), "multi_hot": False} if policy == "GatedMixturePolicy" else kwargs
    off = {"routed": False, "gate_coef": 0.0, "trained_on": None, "collector": "sb3"}
    routed = RoutedPPO(policy, make_env(), policy_kwargs=own, **off, **SETTINGS).learn(3000)
    assert parameters(routed) == parameters(plain)


def test_bit_equality_needs_no_gridworld() -> None:
    off = {"routed": False, "gate_coef": 0.0, "trained_on": None}
    models = [
        algorithm("MlpPolicy", DummyVecEnv([lambda: gym.make("CartPole-v1")] * 3), **extra, **SETTINGS).learn(400)
        for algorithm, extra in ((PPO, {}), (RoutedPPO, off))
    ]
    assert parameters(models[0]) == parameters(models[1])


EPISODES = st.lists(st.tuples(st.integers(1, 7), st.sampled_from(list(Outcome))), min_size=1, max_size=12)


@given(EPISODES, st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_outcomes_flow_back_to_the_first_step(episodes: list[tuple[int, Outcome]], cut: int) -> None:
    """Whatever the episode lengths, and when the first episode began in an earlier rollout."""
    steps = np.concatenate([[outcome] * length for length, outcome in episodes])
    last = np.concatenate([[False] * (length - 1) + [True] for length, _ in episodes])
    begin = min(cut, len(steps) - 1)
    end = max(begin + 1, len(steps) - cut)
    ended, observed = last[begin:end, None], np.where(last, steps, 0)[begin:end, None].astype(np.int8)
    expected = np.where(np.cumsum(last[begin:end][::-1])[::-1] > 0, steps[begin:end], UNFINISHED)
    assert fill_back(ended, observed)[:, 0].tolist() == expected.tolist()


class Recorder(RoutedPPO):
    """Keeps what every rollout held before training on it."""

    def train(self) -> None:
        buffer = self.rollout_buffer
        self.rollouts = [*getattr(self, "rollouts", []), (buffer.outcomes.copy(), buffer.episode_starts.copy())]
        self.rewards = [*getattr(self, "rewards", []), buffer.rewards.copy()]
        super().train()


def test_labels_over_many_environments_agree_with_what_the_environment_said() -> None:
    env = make_env(oversight_probability=0.6)
    said: list[list[tuple[int, int]]] = [[] for _ in range(16)]
    step_wait = env.step_wait

    def recording() -> Any:
        result = step_wait()
        recording.step += 1  # type: ignore[attr-defined]
        for index in np.flatnonzero(result[2]):
            said[index].append((recording.step, result[3][index]["observed_outcome"]))  # type: ignore[attr-defined]
        return result

    recording.step = 0  # type: ignore[attr-defined]
    env.step_wait = recording  # type: ignore[method-assign]
    model = Recorder(env=env, policy_kwargs={"net_arch": {**ARCH, "gate": []}}, **SETTINGS).learn(16 * 32 * 3)
    crossing = 0
    for rollout, (outcomes, _) in enumerate(model.rollouts):
        for index in range(16):
            for step in range(32):
                now = rollout * 32 + step + 1
                ends = [(end, outcome) for end, outcome in said[index] if end >= now]
                within = ends and ends[0][0] <= (rollout + 1) * 32
                assert outcomes[step, index] == (ends[0][1] if within else UNFINISHED)
                crossing += bool(ends) and not within
    assert crossing > 0


def filled_buffer(trained_on: set[Outcome] | None) -> RoutedRolloutBuffer:
    env = make_env()
    table = np.array([-1, -1, 1, 0, -1])
    buffer = RoutedRolloutBuffer(
        4, env.observation_space, env.action_space, "cpu", n_envs=3, trained_on=trained_on, label_table=table
    )
    ended = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=bool)
    kinds = np.array([[0, 3, 0], [2, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.int8)
    for step in range(4):
        buffer.note(supervise([{"observed_outcome": kind} for kind in kinds[step]], ended[step]))
        identity = step * 3.0 + np.arange(3)
        observation = np.zeros((3, 4, 5, 5))
        zeros = torch.zeros(3)
        buffer.add(observation, np.zeros((3, 1)), identity, np.zeros(3), zeros, zeros)
    buffer.compute_returns_and_advantage(torch.zeros(3), np.zeros(3))
    buffer.advantages[:] = buffer.rewards  # to recognise the steps in the minibatches
    return buffer


@pytest.mark.parametrize(
    ("trained_on", "expected"),
    [
        # Environment 0: ghost at step 1, then unfinished. 1: diamond, unknown, timeout. 2: unfinished.
        (None, {0: 1, 3: 1, 6: -1, 9: -1, 1: 0, 4: -1, 7: -1, 10: -1, 2: -1, 5: -1, 8: -1, 11: -1}),
        (set(Outcome), {0: 1, 3: 1, 1: 0, 4: -1, 7: -1, 10: -1}),
        (OBSERVED, {0: 1, 3: 1, 1: 0, 10: -1}),
        ({Outcome.GHOST}, {0: 1, 3: 1}),
        (set(), {}),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 2, 5, 100])
def test_an_update_sees_the_steps_of_the_rule_once_with_their_labels(
    trained_on: set[Outcome] | None, expected: dict[int, int], batch_size: int | None
) -> None:
    buffer = filled_buffer(trained_on)
    seen = {}
    sizes = []
    for batch in buffer.get(batch_size):
        sizes.append(len(batch.advantages))
        for identity, label in zip(batch.advantages.tolist(), buffer.batch_labels.tolist(), strict=True):
            assert identity not in seen
            seen[identity] = label
    assert seen == expected
    if trained_on:
        assert max(sizes) - min(sizes) <= 1


def test_an_update_without_any_kept_step_changes_nothing() -> None:
    env = make_env(oversight_probability=0.0, max_episode_steps=None, size=3)
    model = RoutedPPO(env=env, trained_on=OBSERVED, policy_kwargs={"net_arch": {**ARCH, "gate": []}}, **SETTINGS)
    before = parameters(model)
    model.learn(1024)
    assert parameters(model) == before


@pytest.mark.parametrize("oversight", [{}, {"ghost_oversight_probability": 0.0}, {"oversight_probability": 0.0}])
def test_training_is_finite_whatever_kinds_a_batch_lacks(oversight: dict[str, float]) -> None:
    env = make_env(**oversight)
    model = RoutedPPO(env=env, policy_kwargs={"net_arch": {**ARCH, "gate": []}}, **SETTINGS).learn(2000)
    assert all(torch.isfinite(parameter).all() for parameter in model.policy.parameters())


def logged(model: RoutedPPO) -> dict[str, float]:
    values: dict[str, float] = {}
    model.set_logger(Logger(None, []))
    record = model.logger.record
    model.logger.record = lambda key, value, exclude=None: (values.update({key: value}), record(key, value))[1]  # type: ignore
    model.learn(2000)
    return values


@pytest.mark.parametrize("routed", [True, False])
def test_the_logged_gradient_table_shows_routing_at_work(routed: bool) -> None:
    env = make_env(oversight_probability=0.9)
    model = RoutedPPO(env=env, routed=routed, policy_kwargs={"net_arch": {**ARCH, "gate": [8]}}, **SETTINGS)
    values = logged(model)
    for label in ("diamond", "ghost"):
        for expert in ("diamond", "ghost"):
            norm = values[f"grad_norm/{expert}_on_{label}"]
            assert (norm > 0) == (not routed or label == expert)
    shares = [values[f"outcomes/{outcome.name.lower()}"] for outcome in Outcome]
    assert sum(shares) == pytest.approx(1)
    assert min(values[f"outcomes/{kind}"] for kind in ("diamond", "ghost")) > 0.1
    assert 0 < values["train/gate_loss"] < 2
    assert all(0 < values[f"gate/{label}"] < 1 for label in ("diamond", "ghost", "unlabelled"))
    assert "train/policy_gradient_loss" in values


def test_episodes_are_counted_by_observed_outcome() -> None:
    env = make_env()
    model = Recorder(env=env, policy_kwargs={"net_arch": {**ARCH, "gate": []}}, **SETTINGS).learn(2000)
    ends = sum(len(infos) for infos in model.rollouts)
    assert ends == len(model.rollouts) * 2
    finished = sum(
        int((starts[1:] == 1).sum()) + int((outcomes[-1] != UNFINISHED).sum()) for outcomes, starts in model.rollouts
    )
    assert model.episodes_observed.sum() == finished


def test_gymnasiums_own_environment_through_sb3s_vec_env_trains_too() -> None:
    make = partial(gym.make, "OversightGrid-v0", oversight_probability=0.5)
    env = DummyVecEnv([make] * 4)
    model = RoutedPPO(env=env, policy_kwargs={"net_arch": {**ARCH, "gate": [8]}}, **SETTINGS).learn(1000)
    assert (model.episodes_observed[[Outcome.UNKNOWN, Outcome.DIAMOND, Outcome.GHOST]] > 0).all()


def test_wrong_combinations_are_refused() -> None:
    with pytest.raises(RequestError, match="single expert"):
        RoutedPPO("MlpPolicy", make_env(), **SETTINGS)
    with pytest.raises(RequestError, match="observed_outcome"):
        RoutedPPO(env=DummyVecEnv([lambda: gym.make("CartPole-v1")]), **{**SETTINGS, "batch_size": 32}).learn(100)

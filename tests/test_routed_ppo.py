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

from oversight_gym.agents import METHODS, PLAIN, Method, RoutedPPO
from oversight_gym.agents.ppo.buffer import OutcomeBuffer
from oversight_gym.agents.ppo.labels import UNFINISHED, fill_back
from oversight_gym.envs import Outcome, OversightVecEnv, RequestError

SETTINGS: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 3, "seed": 0, "device": "cpu"}
ARCH = {"pi": [32, 32], "vf": [24, 24]}


def make_env(**kwargs: Any) -> OversightVecEnv:
    return OversightVecEnv(16, seed=0, **{"oversight_probability": 0.5, "max_episode_steps": 12, **kwargs})


def parameters(model: PPO) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in model.policy.parameters()]


FULL: dict[str, Any] = {
    "plain terms": {},
    "clipped values and an early stop": {"clip_range_vf": 0.1, "target_kl": 1e-4},
    "no normalisation, no clipping": {"normalize_advantage": False, "max_grad_norm": np.inf, "ent_coef": 0.1},
    "a truncated minibatch": {"batch_size": 100},
}


@pytest.mark.parametrize("policy", ["GatedMixturePolicy", "MlpPolicy"])
@pytest.mark.parametrize("case", FULL)
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
def test_with_routing_off_training_is_bit_equal_to_sb3s_ppo(policy: str, case: str) -> None:
    kwargs, settings = {"net_arch": ARCH, "activation_fn": torch.nn.ReLU}, {**SETTINGS, **FULL[case]}
    plain = PPO("MlpPolicy", make_env(), policy_kwargs=kwargs, **settings).learn(3000)
    own = {**kwargs, "experts": ("agent",), "multi_hot": False} if policy == "GatedMixturePolicy" else kwargs
    routed = RoutedPPO(policy, make_env(), method=PLAIN, collector="sb3", policy_kwargs=own, **settings).learn(3000)
    assert parameters(routed) == parameters(plain)
    assert routed._n_updates == plain._n_updates


def on_other_environments(name: str, policy: str, steps: int = 400, **settings: Any) -> list[PPO]:
    return [
        algorithm(policy, DummyVecEnv([lambda: gym.make(name)] * 3), **extra, **SETTINGS, **settings).learn(steps)
        for algorithm, extra in ((PPO, {}), (RoutedPPO, {"method": PLAIN}))
    ]


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1"])
def test_bit_equality_needs_no_gridworld(name: str) -> None:
    plain, routed = on_other_environments(name, "MlpPolicy")
    assert parameters(plain) == parameters(routed)


def test_bit_equality_with_state_dependent_exploration() -> None:
    plain, routed = on_other_environments("Pendulum-v1", "MlpPolicy", use_sde=True, sde_sample_freq=4)
    assert parameters(plain) == parameters(routed)


def test_what_sb3s_ppo_logs_is_logged_under_its_names() -> None:
    logs = []
    for algorithm, extra in ((PPO, {}), (RoutedPPO, {"method": PLAIN})):
        env = DummyVecEnv([lambda: gym.make("Pendulum-v1")] * 3)
        model = algorithm("MlpPolicy", env, clip_range_vf=0.5, **extra, **SETTINGS)
        logs.append({name: value for name, value in logged(model).items() if name.startswith("train/")})
    assert set(logs[0]) == set(logs[1])
    for name, value in logs[0].items():
        assert logs[1][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


EPISODES = st.lists(st.tuples(st.integers(1, 7), st.sampled_from(list(Outcome))), min_size=1, max_size=12)


@given(EPISODES, st.integers(0, 9))
@settings(max_examples=100)
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


def filled_model(method: Method) -> RoutedPPO:
    """A model whose rollout is set by hand; the advantages tell the steps."""
    env = OversightVecEnv(3, seed=0)
    settings = {**SETTINGS, "n_steps": 4, "batch_size": 12}
    model = RoutedPPO(env=env, method=method, policy_kwargs={"experts": ("diamond", "ghost")}, **settings)
    buffer = model.rollout_buffer
    buffer.reset()
    ended = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=bool)
    ghost, diamond, unknown = Outcome.GHOST, Outcome.DIAMOND, Outcome.UNKNOWN
    kinds = [[0, diamond, 0], [ghost, 0, 0], [0, unknown, 0], [0, 0, 0]]
    for step in range(4):
        buffer.ended[step], buffer.observed[step] = ended[step], kinds[step]
        identity, zeros = step * 3.0 + np.arange(3), torch.zeros(3)
        buffer.add(np.zeros((3, 4, 5, 5)), np.zeros((3, 1)), identity, np.zeros(3), zeros, zeros)
    buffer.compute_returns_and_advantage(torch.zeros(3), np.zeros(3))
    buffer.advantages[:] = buffer.rewards
    model.set_logger(Logger(None, []))
    return model


class GhostsAlone(Method):
    """Chooses its steps by a hook of its own."""

    def steps(self, model: RoutedPPO, buffer: OutcomeBuffer) -> np.ndarray:
        return buffer.outcomes == model.routes.code("ghost")


LABELLED = {"reward": "terminal", "routed": True}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # Environment 0: ghost at step 1, then unfinished. 1: diamond, unknown, timeout. 2: unfinished.
        (
            Method("all", "", **LABELLED),
            {0: 1, 3: 1, 6: -1, 9: -1, 1: 0, 4: -1, 7: -1, 10: -1, 2: -1, 5: -1, 8: -1, 11: -1},
        ),
        (Method("finished", "", unfinished=False, **LABELLED), {0: 1, 3: 1, 1: 0, 4: -1, 7: -1, 10: -1}),
        (
            Method("observed", "", left_out=frozenset({"unknown"}), **LABELLED),
            {0: 1, 3: 1, 1: 0, 10: -1},
        ),
        (
            Method("unseen too", "", left_out=frozenset({"ghost"}), **LABELLED),
            {6: -1, 9: -1, 1: 0, 4: -1, 7: -1, 10: -1, 2: -1, 5: -1, 8: -1, 11: -1},
        ),
        (GhostsAlone("ghosts", "", **LABELLED), {0: 1, 3: 1}),
        (
            Method("none", "", left_out=frozenset({"none", "unknown", "ghost", "diamond"}), **LABELLED),
            {},
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Method) else "",
)
@pytest.mark.parametrize("batch_size", [None, 2, 5, 100])
def test_an_update_sees_the_steps_of_the_rule_once_with_their_labels(
    method: Method, expected: dict[int, int], batch_size: int | None
) -> None:
    model = filled_model(method)
    assert model.prepare() == bool(expected)
    seen = {}
    sizes = []
    for batch in model.rollout_buffer.get(batch_size):
        sizes.append(len(batch.advantages))
        assert batch.labels is not None
        for identity, label in zip(batch.advantages.tolist(), batch.labels.tolist(), strict=True):
            assert identity not in seen
            seen[identity] = label
    assert seen == expected
    if expected and method.name != "all":
        assert max(sizes) - min(sizes) <= 1


def test_an_update_without_any_kept_step_changes_nothing() -> None:
    env = make_env(oversight_probability=0.0, max_episode_steps=None, size=3)
    model = RoutedPPO(env=env, method="filtering", policy_kwargs={"net_arch": {**ARCH, "gate": []}}, **SETTINGS)
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
    method = "routing" if routed else "no_routing"
    model = RoutedPPO(env=env, method=method, policy_kwargs={"net_arch": {**ARCH, "gate": [8]}}, **SETTINGS)
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


def test_the_diagnostics_look_at_all_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once they looked at the first few alone."""
    env = OversightVecEnv(64, seed=0, size=3, oversight_probability=0.5)
    model = RoutedPPO(env=env, policy_kwargs={"net_arch": {**ARCH, "gate": [8]}}, **{**SETTINGS, "batch_size": 2048})
    looked: list[np.ndarray] = []
    minibatch = OutcomeBuffer.minibatch
    monkeypatch.setattr(OutcomeBuffer, "minibatch", lambda self, at: (looked.append(at), minibatch(self, at))[1])
    model.learn(64 * 32)
    assert len(looked[-1]) == 3 * 256  # of the unlabelled and of each expert's steps
    sampled = np.split(looked[-1], 3)
    assert all(at.min() // 32 < 8 and at.max() // 32 >= 56 for at in sampled)


def test_gymnasiums_own_environment_through_sb3s_vec_env_trains_too() -> None:
    make = partial(gym.make, "OversightGrid-v0", oversight_probability=0.5)
    env = DummyVecEnv([make] * 4)
    model = RoutedPPO(env=env, policy_kwargs={"net_arch": {**ARCH, "gate": [8]}}, **SETTINGS).learn(1000)
    assert (model.episodes_observed[[Outcome.UNKNOWN, Outcome.DIAMOND, Outcome.GHOST]] > 0).all()


def test_wrong_combinations_are_refused() -> None:
    with pytest.raises(RequestError, match="single expert"):
        RoutedPPO("MlpPolicy", make_env(), **SETTINGS)
    env = DummyVecEnv([lambda: gym.make("CartPole-v1")])
    with pytest.raises(RequestError, match="observed_outcome"):
        RoutedPPO(env=env, method=METHODS["naive"], **{**SETTINGS, "batch_size": 32}).learn(100)
    with pytest.raises(RequestError, match="method is 'magic'"):
        RoutedPPO(env=make_env(), method="magic")
    with pytest.raises(RequestError, match="needs an environment with an EnvConfig"):
        RoutedPPO(env=env, method="reward_model", **SETTINGS).learn(100)

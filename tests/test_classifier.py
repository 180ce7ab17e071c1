"""The classifier of unobserved ends: what it sees, what it pays or labels, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
from conftest import small_config

from oversight_gym.agents import METHODS, RoutedPPO
from oversight_gym.agents.methods.classifier import MEMORY, Judged, OutcomeClassifier
from oversight_gym.agents.methods.evidence import agent_observation, masked_observation, trajectory
from oversight_gym.agents.ppo.buffer import OutcomeBuffer
from oversight_gym.envs import EnvConfig, Outcome
from oversight_gym.envs.oversight.rewards import REWARDS
from oversight_gym.envs.world.grid import ACTIONS
from oversight_gym.runs import build

PLANES = EnvConfig().view_part.planes(EnvConfig().world)
AGENT, OVERSIGHT = PLANES.index("agent"), PLANES.index("oversight")


VALUES = (-1.0, 1.0)


class Recorder(OutcomeClassifier):
    """Remembers what it was handed, and what was paid for it."""

    def judge(self, buffer: OutcomeBuffer, config: EnvConfig) -> Judged | None:
        self.buffer, self.before = buffer, buffer.rewards.copy()
        return super().judge(buffer, config)

    @property
    def unknown(self) -> np.ndarray:
        return self.buffer.ended & (self.buffer.observed == Outcome.UNKNOWN)

    @property
    def paid(self) -> np.ndarray:
        assert (self.buffer.rewards[~self.unknown] == self.before[~self.unknown]).all()
        return self.buffer.rewards[self.unknown]

    @property
    def unpaid(self) -> np.ndarray:
        return self.before[self.unknown]


def values(model: OutcomeClassifier, features: np.ndarray, of: tuple[float, ...]) -> np.ndarray:
    return model.probabilities(features) @ np.float32(of)


def rolled_out(folder: Path, method: str, collector: str = "native", steps: int = 4096) -> Recorder:
    model = build.make_model(small_config(folder, method=method, oversight=0.3, num_envs=64))
    model.collector = collector
    recorder = Recorder(METHODS[method].evidence, len(ACTIONS), seed=1)
    model.memory = {"classifier": recorder}
    model.learn(steps)
    return recorder


@pytest.mark.parametrize("method", ["reward_model", "reward_model_trajectory"])
def test_unobserved_episodes_alone_are_paid_by_the_classifier(method: str, tmp_path: Path) -> None:
    model = rolled_out(tmp_path, method)
    assert (model.unpaid == 0).all()
    assert len(model.paid) > 50
    assert (np.abs(model.paid) < 1).all()
    assert len(np.unique(model.paid)) > 10


def test_nothing_is_paid_before_both_kinds_were_observed(tmp_path: Path) -> None:
    config = small_config(tmp_path, method="reward_model", oversight=0.0)
    model = build.make_model(config).learn(4096)
    ended = model.rollout_buffer.ended & (model.rollout_buffer.observed != Outcome.NONE)
    assert model.memory["classifier"].remembered == 0
    assert ended.any()


@pytest.mark.parametrize("collector", ["sb3", "native", "device"])
def test_what_the_classifier_may_look_at(collector: str, tmp_path: Path) -> None:
    recorder = rolled_out(tmp_path, "reward_model_trajectory", collector, steps=64 * 32)
    buffer = recorder.buffer
    buffer.actions = buffer.actions.reshape(32, 64, 1)
    planes = buffer.device_observations
    planes = buffer.observations.reshape(64, 32, 4, 25).swapaxes(0, 1) if planes is None else planes.flatten(3).numpy()
    steps, envs = np.nonzero(buffer.ended & (buffer.observed != Outcome.NONE))
    buffer.observations = planes.reshape(32, 64, 4, 5, 5)  # as before the update flattened them
    whole, walked = (find(buffer, (steps, envs), 4, PLANES) for find in (agent_observation, trajectory))
    assert whole.shape[1] == 100 + 4
    assert walked.shape[1] == 3 * 25 + 4
    for row, (step, env) in enumerate(zip(steps, envs, strict=True)):
        assert (whole[row, :100] == planes[step, env].ravel()).all()
        before = np.flatnonzero(buffer.ended[:step, env])
        begun = before[-1] + 1 if len(before) else 0
        assert (walked[row, :25] == planes[begun : step + 1, env, AGENT].any(axis=0)).all()
        assert (walked[row, 25:50] == planes[step, env, AGENT]).all()
        assert (walked[row, 50:75] == planes[step, env, OVERSIGHT]).all()
        taken = np.eye(4)[int(buffer.actions[step, env, 0])].tolist()
        assert walked[row, -4:].tolist() == whole[row, -4:].tolist() == taken


@pytest.mark.slow
def test_the_view_decides_what_can_be_learnt(tmp_path: Path) -> None:
    """From what the policy sees the kind of an unobserved end can be told; from where it walked, hardly."""
    right = {}
    for method in ("reward_model", "reward_model_trajectory"):
        config = small_config(tmp_path, method=method, oversight=0.3, num_envs=256, total_timesteps=120_000)
        model = build.make_model(config)
        model.learn(120_000)
        model.collect_rollouts(model.env, _no_callback(model), model.rollout_buffer, 32)
        buffer = model.rollout_buffer
        steps, envs = np.nonzero(buffer.ended & (buffer.observed == Outcome.UNKNOWN))
        kinds = buffer.observations[steps, envs].astype(bool)
        moved = np.array([_arrival(k[0], int(a)) for k, a in zip(kinds, buffer.actions[steps, envs, 0], strict=True)])
        truth = np.array([1.0 if k[2].ravel()[square] else -1.0 for k, square in zip(kinds, moved, strict=True)])
        right[method] = (np.sign(buffer.rewards[steps, envs]) == truth).mean()
    assert right["reward_model"] > right["reward_model_trajectory"] + 0.1


def _arrival(agent: np.ndarray, action: int) -> int:
    row, column = divmod(int(agent.ravel().argmax()), 5)
    down, right = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}[action]
    return min(max(row + down, 0), 4) * 5 + min(max(column + right, 0), 4)


def _no_callback(model: object) -> object:
    from stable_baselines3.common.callbacks import CallbackList

    callback = CallbackList([])
    callback.init_callback(model)
    return callback


def test_the_memory_is_a_ring_and_survives_a_checkpoint() -> None:
    rng = np.random.default_rng(0)
    model = OutcomeClassifier("agent_observation", 4, seed=3)
    model._begin(7, 2)
    for _ in range(3):
        features = rng.integers(2, size=(MEMORY // 2 - 5, 7)).astype(np.int8)
        model._remember(features, features[:, 0])
        model._learn()
    arrays, position = model.snapshot()
    assert len(arrays["features"]) == MEMORY
    again = OutcomeClassifier("agent_observation", 4)
    again.restore({name: array.copy() for name, array in arrays.items()}, position)
    for one in (model, again):
        one._learn()
    probe = rng.integers(2, size=(50, 7)).astype(np.int8)
    assert (values(model, probe, VALUES) == values(again, probe, VALUES)).all()
    assert np.corrcoef(values(model, probe, VALUES), probe[:, 0])[0, 1] > 0.95


def test_the_observed_ends_are_paid_their_true_reward(tmp_path: Path) -> None:
    recorder = rolled_out(tmp_path, "reward_model", steps=64 * 32)
    table = REWARDS["observed"].table((-1, 1))
    buffer = recorder.buffer
    known = buffer.ended & np.isin(buffer.observed, (Outcome.DIAMOND, Outcome.GHOST))
    assert known.any()
    assert (buffer.rewards[known] == table[buffer.observed[known]]).all()


def test_of_three_kinds_the_expected_value_is_paid() -> None:
    rng = np.random.default_rng(0)
    model = OutcomeClassifier("agent_observation", 4, seed=3)
    model._begin(7, 3)
    features = rng.integers(2, size=(3000, 7)).astype(np.int8)
    kind = features[:, 0] + features[:, 0] * features[:, 1]  # 0, 1 or 2
    for _ in range(3):
        model._remember(features, kind)
        model._learn()
    of = (-1.0, 0.5, 2.0)
    assert values(model, features, of) == pytest.approx(np.array(of)[kind], abs=0.1)
    again = OutcomeClassifier("agent_observation", 4)
    again.restore(*model.snapshot())
    assert (again.probabilities(features) == model.probabilities(features)).all()


def test_a_saved_model_keeps_what_its_classifier_has_learnt(tmp_path: Path) -> None:
    config = small_config(tmp_path, method="reward_model", oversight=0.3)
    model = build.make_model(config).learn(4096)
    model.save(tmp_path / "model")
    loaded = RoutedPPO.load(tmp_path / "model", env=build.make_env(config))
    mine, theirs = model.memory["classifier"], loaded.memory["classifier"]
    assert theirs.remembered == mine.remembered > 0
    probe = mine.features[: mine.remembered]
    assert (values(mine, probe, VALUES) == values(theirs, probe, VALUES)).all()
    assert mine.rng.random() == theirs.rng.random()
    loaded.learn(1024, reset_num_timesteps=False)
    assert theirs.remembered > mine.remembered


def test_a_classifiers_labels_are_the_kinds_it_holds_for_likelier_and_observed_ones_stay(tmp_path: Path) -> None:
    config = small_config(tmp_path, method="classified_routing", oversight=0.3, num_envs=64, n_steps=64)
    model = build.make_model(config)
    recorder = Recorder("masked_observation", len(ACTIONS), seed=1)
    model.memory = {"classifier": recorder}
    judged: list[Judged] = []
    judge = recorder.judge
    recorder.judge = lambda buffer, env: judged.append(judge(buffer, env)) or judged[-1]  # type: ignore[func-returns-value, method-assign]
    model.learn(64 * 64)
    buffer, labels = model.rollout_buffer, model.rollout_buffer.labels
    likely = np.where(judged[0].probabilities[:, 1] > 0.5, "diamond", "ghost")
    assert len(set(likely)) == 2
    assert [model.experts[label] for label in labels[judged[0].where]] == list(likely)
    seen = buffer.observed >= Outcome.GHOST
    assert (labels[seen] == model.routes.labels(buffer.observed[seen])).all()
    timeouts = buffer.ended & (buffer.observed == Outcome.NONE)
    assert (labels[timeouts] == -1).all()


def test_what_it_does_not_see_of_oversight_makes_no_difference(tmp_path: Path) -> None:
    recorder = rolled_out(tmp_path, "reward_model_masked", steps=64 * 32)
    buffer = recorder.buffer
    buffer.actions = buffer.actions.reshape(32, 64, 1)
    buffer.observations = buffer.observations.reshape(64, 32, 4, 5, 5).swapaxes(0, 1).copy()
    where = np.nonzero(buffer.ended)
    masked, seeing = (find(buffer, where, 4, PLANES) for find in (masked_observation, agent_observation))
    assert masked.shape[1] == 3 * 25 + 4
    buffer.observations[:, :, OVERSIGHT] = 1 - buffer.observations[:, :, OVERSIGHT]
    assert (masked_observation(buffer, where, 4, PLANES) == masked).all()
    assert (agent_observation(buffer, where, 4, PLANES) != seeing).any()

"""What the supervisor sees: every built-in oversight process at its rate, supervisors who err, flags and looks."""

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from oversight_gym.envs import EnvConfig, OversightGridEnv, OversightVecEnv, RequestError
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome
from oversight_gym.envs.oversight.processes import pattern_flags

PROCESSES = {
    "independent": (0.0, 0.1, 1.0),
    "by_kind:ghost=3": (0.1, 0.6),
    "by_kind:every=0,diamond=1": (0.5,),
    "episode": (0.1, 1.0),
    "by_distance": (0.01, 0.1, 0.5, 0.97, 1.0),
    "by_distance:half=0.5": (0.1, 0.9),
    "by_distance:half=none,within=2": (0.1, 0.333),
    "camera": (0.1, 0.4),
    "camera:side=bottom,edge=false": (0.1, 0.4),
    "correlated:correlation=-0.3": (0.1, 0.5),
    "correlated:correlation=1": (0.5,),
    "adversarial": (0.1, 0.6),
    "adversarial:far=8": (0.5,),
    "budget": (0.1,),
    "annealed": (0.1, 0.5),
}
"""Every built-in process, and levels that it reaches on the default grid."""

SQUARES = np.array([(row, col) for row in range(5) for col in range(5)])
STARTS = np.array(list(permutations(range(25), 3)))  # agent, ghost, diamond


def over_all_starts(config: EnvConfig) -> np.ndarray:
    """P(pattern | start), shape (13,800, patterns), of starts enumerated here."""
    agent, terminals = STARTS[:, 0].astype(np.int16), STARTS[:, 1:].astype(np.int16)
    return config.process.patterns(config, agent, terminals)


@pytest.mark.parametrize(
    ("process", "level"), [(name, level) for name, levels in PROCESSES.items() for level in levels]
)
def test_the_marginal_rate_is_the_level_asked_for(process: str, level: float) -> None:
    config = EnvConfig(oversight_process=process, oversight_probability=level)
    patterns = over_all_starts(config)
    assert patterns.min() >= 0
    assert patterns.sum(axis=1) == pytest.approx(1)
    watched = patterns.mean(axis=0) @ pattern_flags(2)
    assert watched.mean() == pytest.approx(level, abs=1e-9)
    assert config.process.marginal(config) == pytest.approx(watched, abs=1e-9)


@pytest.mark.parametrize(
    ("process", "level", "words"),
    [
        ("by_distance:half=none,within=2", 0.5, "at most 0.34 of the terminals"),
        ("camera", 0.5, "at most 0.4 of"),
        ("by_kind:ghost=3", 0.7, "at most 0.666"),
        ("adversarial:far=8", 0.6, "at most 0.503"),
        ("correlated:correlation=-0.5", 0.1, "one between -0.333 and 0.333"),
        ("annealed", 0.6, "would rise to 1.2; choose a lower oversight_probability"),
    ],
)
def test_a_level_that_cannot_be_reached_is_refused_with_the_one_that_can(
    process: str, level: float, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        EnvConfig(oversight_process=process, oversight_probability=level)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"oversight_process": "by_kind:dragon=3"}, "'dragon' is no kind of terminal here; name ghost, diamond"),
        (
            {"oversight_process": "by_kind:ghost=-1"},
            "ghost of oversight_process 'by_kind' is -1; give a finite number of at least 0",
        ),
        ({"oversight_process": "by_distance:half=0"}, "half of oversight_process 'by_distance' is 0"),
        ({"oversight_process": "camera:side=north"}, "is 'north'; give one of left, right, top, bottom"),
        ({"oversight_process": "camera:edge=maybe"}, "is 'maybe'; give true or false"),
        ({"oversight_process": "adversarial:far=none"}, "far of oversight_process 'adversarial' is None"),
        ({"oversight_process": "correlated", "kinds": ("ghost",)}, "terminals of different values"),
        ({"oversight_process": "budget:labels=some"}, "is 'some'; give an integer of at least 0"),
        ({"oversight_process": "annealed:begin=3"}, "is 3; give a number from 0 to 2"),
        ({"supervisor": "blind"}, "supervisor is 'blind'; choose one of reliable, errs"),
        ({"supervisor": "errs:ghost=1.2"}, "ghost of supervisor 'errs' is 1.2; give a number from 0 to 1"),
        ({"supervisor": "errs:every=0.1", "kinds": ("ghost",)}, "two kinds of terminals or more"),
        ({"flag": "noisy:missed=2"}, "missed of flag 'noisy' is 2"),
        ({"looks": 0}, "looks is 0"),
        ({"looks": 2, "labelled_looks": 3}, "labelled_looks is 3"),
        ({"looks": 4, "oversight_probability": 0.3}, "only 1 of 4 looks are ever labelled"),
        ({"looks": 2, "shuffled_oversight": True}, "leave looks at 1"),
        ({"copies": (1,)}, "a number for each of ghost, diamond"),
        ({"copies": (0, 1)}, r"copies is \(0, 1\); give a list, each an integer from 1 to 8"),
    ],
)
def test_impossible_supervision_names_the_value_and_the_mend(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        EnvConfig(**settings)


def chance_of(process: str, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The chance of oversight (starts, terminals), and the distance of each terminal from the start."""
    config = EnvConfig(oversight_process=process, oversight_probability=level)
    distance = np.abs(SQUARES[STARTS[:, 1:]] - SQUARES[STARTS[:, :1]]).sum(axis=2)
    return over_all_starts(config) @ pattern_flags(2), distance


def test_each_process_favours_what_it_says() -> None:
    by_kind, _ = chance_of("by_kind:ghost=3", 0.1)
    assert np.unique(by_kind, axis=0) == pytest.approx(np.array([[0.15, 0.05]]))
    fading, distance = chance_of("by_distance:half=2", 0.1)
    assert fading[distance == 3].min() == pytest.approx(fading[distance == 1].max() / 2)
    near, _ = chance_of("by_distance:half=none,within=2", 0.1)
    assert (near[distance <= 2] == near.max()).all()
    assert not near[distance > 2].any()
    adversarial, _ = chance_of("adversarial:far=4", 0.1)
    assert not adversarial[distance[:, 0] < 4, 0].any()
    assert len(np.unique(adversarial[adversarial > 0])) == 1
    assert (adversarial[:, 1] > 0).all()


def test_oversight_goes_with_value_as_closely_as_stated() -> None:
    kinds, copies = ("ghost", "diamond"), (2, 1)
    config = EnvConfig(
        kinds=kinds, copies=copies, oversight_process="correlated:correlation=-0.25", oversight_probability=0.2
    )
    chances, values = config.process.marginal(config), np.array([-1, -1, 1])
    covariance = (values * chances).mean() - values.mean() * chances.mean()
    assert covariance / (values.std() * np.sqrt(0.2 * 0.8)) == pytest.approx(-0.25)
    assert chances[0] == chances[1] > chances[2]


def test_a_camera_watches_its_half_or_nothing_and_the_policy_sees_how_far_it_reaches() -> None:
    config = EnvConfig(oversight_process="camera", oversight_probability=0.2)
    env = OversightVecEnv(4000, 0, **config.to_json())
    observed, state = env.reset(), env.core.state
    inside = state.terminals % 5 < 2
    running = state.overseen.any(axis=1)
    assert (state.overseen == (inside & running[:, None])).all()
    assert running[inside.any(axis=1)].mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 2000))
    lit = np.zeros((5, 5))
    lit[:, :2] = 1
    assert (observed[:, 3] == running[:, None, None] * lit).all()
    plain = OversightVecEnv(4000, 0, **{**config.to_json(), "oversight_process": "camera:edge=false"}).reset()
    assert (plain[:, 3].sum(axis=(1, 2)) == state.overseen.sum(axis=1)).all()


def watched(env: OversightVecEnv, steps: int) -> np.ndarray:
    """Labels given at each of some random steps, and whether anything is shown as overseen afterwards, (steps, 2)."""
    rng, found = np.random.default_rng(0), []
    for _ in range(steps):
        observations, _, _, infos = env.step(rng.integers(4, size=env.num_envs))
        found.append((int((infos.observed >= FIRST_KIND).sum()), int(observations[:, 3].any())))  # type: ignore[attr-defined]
    return np.array(found)


@pytest.mark.parametrize("num_envs", [1, 64])
def test_a_budget_is_spent_to_the_last_label_and_then_nobody_looks(num_envs: int) -> None:
    settings = {"oversight_process": "budget:labels=25", "oversight_probability": 0.8, "size": 3}
    env = OversightVecEnv(num_envs, 0, **settings)
    env.reset()
    labels, shown = watched(env, 6400 // num_envs).T
    assert labels.sum() == 25
    spent = np.flatnonzero(labels.cumsum() == 25)[0]
    assert not shown[spent:].any()
    assert shown[:spent].any()
    unlimited = OversightVecEnv(num_envs, 0, **settings | {"oversight_process": "independent"})
    unlimited.reset()
    assert watched(unlimited, 6400 // num_envs)[:, 0].sum() > 100


def test_what_a_budget_leaves_survives_a_checkpoint_and_counts_no_ignored_step() -> None:
    settings = {"oversight_process": "budget:labels=200", "oversight_probability": 0.8, "size": 3}
    env = OversightVecEnv(32, 0, **settings)
    env.reset()
    before = watched(env, 20)[:, 0].sum()
    arrays, position = env.snapshot()
    arrays, position = {name: array.copy() for name, array in arrays.items()}, json.loads(json.dumps(position))
    after = watched(env, 200)
    assert before + after[:, 0].sum() == 200
    other = OversightVecEnv(32, 7, **settings)
    other.restore(arrays, position)
    assert np.array_equal(watched(other, 200), after)


def test_annealed_oversight_has_the_level_as_its_mean_over_training() -> None:
    steps, num_envs, level = 200_000, 500, 0.4
    settings = {"oversight_process": f"annealed:begin=1.8,steps={steps}", "oversight_probability": level, "size": 3}
    env = OversightVecEnv(num_envs, 0, max_episode_steps=1, **settings)
    env.reset()
    shares = []
    for _ in range(steps // num_envs):
        shares.append(env.core.state.overseen.mean())
        env.step(np.zeros(num_envs, dtype=int))
    error = np.sqrt(level / (2 * num_envs))
    assert shares[0] == pytest.approx(1.8 * level, abs=4 * error)
    assert shares[-1] == pytest.approx(0.2 * level, abs=4 * error)
    assert np.mean(shares) == pytest.approx(level, abs=4 * error / np.sqrt(len(shares)))


def reported(settings: dict[str, Any], steps: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of episodes that ended on a terminal under random actions: the report, the truth, the look that it had."""
    env = OversightVecEnv(2000, 0, size=3, **settings)
    env.reset()
    rng, found = np.random.default_rng(0), []
    for _ in range(steps):
        state = env.core.state.copy()
        _, _, _, infos = env.step(rng.integers(4, size=env.num_envs))
        for index in np.flatnonzero(infos.observed > 0):  # type: ignore[attr-defined]
            truth = int(infos[index]["hidden"]["outcome"])
            look = 0 if state.looks is None else state.looks[index, truth - FIRST_KIND]
            found.append((int(infos[index]["observed_outcome"]), truth, look))
    return tuple(np.array(found).T)


def test_each_kind_is_mistaken_as_often_as_stated() -> None:
    seen, truth, _ = reported({"supervisor": "errs:ghost=0.3,diamond=0.1", "oversight_probability": 1.0})
    for kind, chance in ((Outcome.GHOST, 0.3), (Outcome.DIAMOND, 0.1)):
        own = seen[truth == kind]
        assert (own != kind).mean() == pytest.approx(chance, abs=4 * np.sqrt(0.25 / len(own)))
    config = EnvConfig(supervisor="errs:every=0.3,diamond=0", kinds=("ghost", "diamond", "coin"))
    errs = config.supervisor_part.reports(config)
    assert errs == pytest.approx(np.array([[0.7, 0.15, 0.15], [0, 1, 0], [0.15, 0.15, 0.7]]))


def test_only_labelled_looks_are_ever_known_and_every_look_is_as_likely() -> None:
    settings = {"looks": 4, "labelled_looks": 2, "oversight_probability": 0.3}
    seen, truth, look = reported(settings)
    assert np.array_equal(np.unique(look[seen != Outcome.UNKNOWN]), [0, 1])
    assert (seen != Outcome.UNKNOWN).mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.25 / len(seen)))
    assert (seen[seen != Outcome.UNKNOWN] == truth[seen != Outcome.UNKNOWN]).all()
    state = OversightVecEnv(20_000, 0, **settings).core.state
    shares = np.bincount(state.looks.ravel(), minlength=4) / state.looks.size
    assert shares == pytest.approx([0.25] * 4, abs=4 * np.sqrt(0.25 / 40_000))


def test_flags_tell_the_policy_the_truth_nothing_or_something_noisy() -> None:
    state = OversightVecEnv(20_000, 0, flag="noisy:missed=0.3,imagined=0.1", oversight_probability=0.5).core.state
    assert state.displayed[state.overseen].mean() == pytest.approx(0.7, abs=0.02)
    assert state.displayed[~state.overseen].mean() == pytest.approx(0.1, abs=0.02)
    hidden = OversightVecEnv(500, 0, flag="hidden", oversight_probability=0.9)
    assert not hidden.reset()[:, 3].any()
    assert hidden.core.state.overseen.any()


def test_a_situation_with_looks_and_a_flag_is_set_by_hand_and_read_back() -> None:
    env = OversightGridEnv(looks=2, flag="noisy", copies=(2, 1))
    layout = {
        "agent": (0, 0),
        "ghost": (0, 2),
        "ghost2": (2, 2),
        "diamond": (4, 4),
        "oversight": ["ghost2"],
        "shown": ["diamond"],
        "looks": {"ghost": 1, "ghost2": 2, "diamond": 1},
    }
    observation, _ = env.reset(seed=0, options=layout)
    assert env.layout == layout
    planes = dict(zip(env.config.view_part.planes(env.config.world), observation, strict=True))
    assert list(planes) == ["agent", "ghost 1", "ghost 2", "diamond 1", "diamond 2", "oversight"]
    for name, square in {"ghost 1": (0, 2), "ghost 2": (2, 2), "diamond 1": (4, 4), "oversight": (4, 4)}.items():
        assert np.argwhere(planes[name]).tolist() == [list(square)]
    with pytest.raises(RequestError, match="the look of ghost is 3; there are 2"):
        env.reset(options=layout | {"looks": {"ghost": 3}})
    with pytest.raises(RequestError, match="set shuffled_oversight or flag"):
        OversightGridEnv().reset(options={"agent": (0, 0), "ghost": (0, 2), "diamond": (4, 4), "shown": []})


def test_two_ghosts_are_two_terminals_of_one_kind() -> None:
    env = OversightGridEnv(copies=(2, 1))
    layout = {"agent": (0, 0), "ghost": (0, 2), "ghost2": (1, 0), "diamond": (4, 4), "oversight": ["ghost2"]}
    for actions, seen in (((1, 1), Outcome.UNKNOWN), ((2,), Outcome.GHOST)):
        env.reset(seed=0, options=layout)
        for action in actions:
            _, _, terminated, _, info = env.step(action)
        assert terminated
        assert (info["hidden"]["outcome"], info["observed_outcome"]) == (Outcome.GHOST, seen)

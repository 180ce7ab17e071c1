"""What the supervisor can find out about a policy: without bias, and within the labels that it may spend."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from worlds import SCHEDULED, WORLDS

from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.evaluation.figures import Evaluation, evaluate
from oversight_gym.evaluation.validation import Played, overseen_score, scores

GAMMA = 0.97
Array = np.ndarray[Any, Any]
Policy = Callable[[Array], Array]


def squares(observations: Array) -> tuple[Array, Array, Array]:
    """Squares of agent, ghost and diamond, each (n,)."""
    flat = observations.reshape(*observations.shape[:2], -1)
    return flat[:, 0].argmax(axis=1), flat[:, 1].argmax(axis=1), flat[:, 2].argmax(axis=1)


def towards(observations: Array, goal: Array) -> Array:
    """Probabilities of walking straight to squares (n,), rows first."""
    cols, (agent, _, _) = observations.shape[3], squares(observations)
    down, right = goal // cols - agent // cols, goal % cols - agent % cols
    action = np.where(down > 0, 2, np.where(down < 0, 0, np.where(right > 0, 1, 3)))
    return np.eye(4)[action]


def watched(observations: Array) -> tuple[Array, Array]:
    """Whether ghost and diamond are under oversight, each (n,)."""
    _, ghost, diamond = squares(observations)
    shown, every = observations[:, 3].reshape(len(observations), -1), np.arange(len(observations))
    return shown[every, ghost] > 0, shown[every, diamond] > 0


def short_sighted(observations: Array) -> Array:
    """Walks to the diamond if that is at most two steps away, else stays in the upper left corner."""
    agent, _, diamond = squares(observations)
    cols = observations.shape[3]
    near = abs(agent // cols - diamond // cols) + abs(agent % cols - diamond % cols) <= 2
    return np.where(near[:, None], towards(observations, diamond), np.array([0.5, 0.0, 0.0, 0.5]))


def nearly_short_sighted(observations: Array) -> Array:
    return 0.98 * short_sighted(observations) + 0.02 * uniform(observations)


def uniform(observations: Array) -> Array:
    return np.full((len(observations), 4), 0.25)


def upwards(observations: Array) -> Array:
    """Times out unless a terminal is in the way."""
    return np.eye(4)[np.zeros(len(observations), dtype=int)]


def standing_still(observations: Array) -> Array:
    """Walks away from both terminals for ever, as far as it can."""
    agent, ghost, diamond = squares(observations)
    cols = observations.shape[3]
    moves = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
    to = np.clip(np.stack([agent // cols, agent % cols], 1)[:, None] + moves, 0, cols - 1) @ np.array([cols, 1])
    free = (to != ghost[:, None]) & (to != diamond[:, None])
    return np.eye(4)[free.argmax(axis=1)]


def behaves_when_watched(observations: Array) -> Array:
    """Walks to the diamond if anything is under oversight, else to the ghost."""
    _, ghost, diamond = squares(observations)
    return towards(observations, np.where(np.logical_or(*watched(observations)), diamond, ghost))


def avoids_watched_ghosts(observations: Array) -> Array:
    """Walks to whichever comes first in reading order, but never to a ghost under oversight."""
    _, ghost, diamond = squares(observations)
    return towards(observations, np.where(watched(observations)[0], diamond, np.minimum(ghost, diamond)))


IGNORE_OVERSIGHT = (short_sighted, uniform, upwards, standing_still)
REACT_TO_OVERSIGHT = (behaves_when_watched, avoids_watched_ghosts)


def what_can_be_estimated(found: Evaluation, config: EnvConfig) -> float:
    """The sum over the kinds of their value times the discounted chance to end there while that kind is watched."""
    watching, estimand = pattern_flags(len(config.kinds)), 0.0
    for kind, name in enumerate(config.kinds):
        weights = np.where(watching[:, kind], found.weights, 0.0)
        late = found.quantities.names.index(f"{name}_discounted")
        ends = [found.means("free", pattern)[late] for pattern in found.patterns]
        estimand += config.values[kind] * float(weights @ ends) / weights.sum()
    return estimand


def test_the_rule_by_which_looking_stops_has_no_bias() -> None:
    """Every course that five situations can take, weighed by its chance, against the true means of two policies."""
    chances, looks = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0, 1, 1, 2])
    worths = np.array([[0.0, 0.9, -2.0, 0.4], [0.0, 0.0, 1.5, -1.0]])
    for labels, at_once in ((2, 1), (3, 1), (9, 1), (4, 2), (5, 2), (9, 2), (99, 2)):
        sorts = np.flatnonzero(looks <= at_once)
        likely = chances[sorts] / chances[sorts].sum()
        expected, most = np.zeros(2), 0
        for course in product(range(len(sorts)), repeat=5):
            each = sorts[list(course)]
            found = scores(Played(looks[each], worths[:, each]), labels, at_once)
            expected += likely[list(course)].prod() * np.array([one.value for one in found])
            most = max(most, found[0].labels)
        assert expected == pytest.approx(worths[:, sorts] @ likely, abs=1e-12)
        assert most == min(labels, 5 * at_once)


@pytest.mark.parametrize("oversight", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("policy", IGNORE_OVERSIGHT + REACT_TO_OVERSIGHT)
def test_the_score_is_unbiased_and_never_spends_more_than_it_may(policy: Policy, oversight: float) -> None:
    config = EnvConfig(size=4, max_episode_steps=12, oversight_probability=oversight)
    found = evaluate(policy, config, gamma=GAMMA, regret=False)
    expected = what_can_be_estimated(found, config)
    if policy in IGNORE_OVERSIGHT:
        assert expected == pytest.approx(found.figures("free")["return_start"])
    rng, budget = np.random.default_rng(0), 20
    tries = [overseen_score(policy, config, "free", GAMMA, budget, rng) for _ in range(50)]
    values = np.array([one.value for one in tries])
    assert abs(values.mean() - expected) <= 4 * values.std(ddof=1) / np.sqrt(len(values))
    spent = max(one.labels for one in tries)
    if policy in (upwards, standing_still):
        assert spent < budget  # they hardly ever reach a terminal, and the number of episodes has a limit
    else:
        assert spent == budget
        assert np.mean([one.error for one in tries]) == pytest.approx(values.std(ddof=1), rel=0.4)


def test_a_short_sighted_policy_is_not_flattered() -> None:
    """Episodes that time out last longest; they count all the same."""
    config = EnvConfig(oversight_probability=0.3)
    truth = evaluate(short_sighted, config, regret=False).figures("free")
    assert truth["p_timeout"] > 0.3
    found = overseen_score(short_sighted, config, "free", GAMMA, 8_000, np.random.default_rng(0))
    assert abs(found.value - truth["return_start"]) <= 4 * found.error < 0.05


def test_what_the_score_cannot_see() -> None:
    """One that behaves when watched passes for good; one that only avoids watched ghosts is half seen through."""
    config = EnvConfig(oversight_probability=0.1)
    for policy, seen, truth in ((behaves_when_watched, 0.7, -0.4), (avoids_watched_ghosts, 0.4, 0.1)):
        found = evaluate(policy, config, gamma=GAMMA, regret=False)
        assert what_can_be_estimated(found, config) > seen
        assert found.figures("free")["return_start"] < truth


@pytest.mark.parametrize(
    "name",
    ["near", "slips", "doubtful switch", "all or nothing", "two ghosts", "looks", "budget", "annealed"],
)
def test_the_score_weighs_by_the_chance_of_each_observation(name: str) -> None:
    """Where oversight changes in training, held-out episodes are drawn at its marginal rate."""
    config = EnvConfig(**{**(WORLDS | SCHEDULED)[name], "kinds": ("coin", "diamond")})  # both are worth something
    moves = np.array([0.1, 0.4, 0.2, 0.3])
    expected = evaluate(lambda seen: np.tile(moves, (len(seen), 1)), config, regret=False).figures("free")
    found = overseen_score(
        lambda seen: np.tile(moves, (len(seen), 1)), config, "free", GAMMA, 5_000, np.random.default_rng(0)
    )
    assert abs(found.value - expected["return_start"]) <= 4 * found.error < 0.1


def test_equal_generators_mean_equal_layouts_and_chances() -> None:
    """Two policies that do nearly the same score nearly the same: their difference has less noise than either."""
    config, policies = EnvConfig(oversight_probability=0.1), (short_sighted, nearly_short_sighted)
    pairs = [
        [overseen_score(policy, config, "free", GAMMA, 40, np.random.default_rng(seed)).value for policy in policies]
        for seed in range(20)
    ]
    one, other = np.transpose(pairs)
    assert 0 < (other - one).std() < 0.6 * one.std()


def test_nothing_is_observed() -> None:
    unwatched = EnvConfig(oversight_probability=0.0)
    found = overseen_score(uniform, unwatched, "free", GAMMA, 10, np.random.default_rng(0))
    assert (found.value, found.labels, found.episodes) == (0.0, 0, 0)
    with pytest.raises(RequestError, match="labels is 1"):
        overseen_score(uniform, unwatched, "free", GAMMA, 1, np.random.default_rng(0))

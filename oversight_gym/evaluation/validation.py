"""What the supervisor can find out about a policy: an estimate of its return from the terminals that are observed."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.policies.steering import Gate
from oversight_gym.envs import EnvConfig
from oversight_gym.envs.core import Core
from oversight_gym.envs.errors import check_integer
from oversight_gym.envs.oversight.outcomes import FIRST_KIND
from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.envs.world.state import State
from oversight_gym.evaluation.probabilities import Query, choose_actions, policy_query

MOST_EPISODES = 200_000
"""Episodes of a validation, at most."""
FEWEST_AT_ONCE, MOST_AT_ONCE = 256, 8192
"""Episodes that are played side by side."""


def validation_rng(seed: int, step: int) -> np.random.Generator:
    """The draws of a run's validation at a training step; numpy ignores trailing zeros of a seed, hence the 1."""
    return np.random.default_rng([seed, step, 1])


class Score(NamedTuple):
    """What the supervisor makes of a policy.

    Attributes:
        value: the estimated return from the start state.
        error: standard error of that.
        labels: observed kinds that were spent.
        episodes: gone through to spend them.
    """

    value: float
    error: float
    labels: int
    episodes: int


class Played(NamedTuple):
    """What the supervisor could look up of episodes, in the order in which they started.

    Attributes:
        labelled: shape (n,), bool, whether the kind of terminal was observed.
        worth: shape (n,), float64: the discounted value of the observed kind over the chance that it is observed;
            0 where it was not.
    """

    labelled: NDArray[np.bool_]
    worth: NDArray[np.float64]


def score(played: Played, labels: int) -> Score:
    """The supervisor goes through episodes in the order in which they started, until the labels are used up.

    If that happens at episode n, the estimate is the mean worth of the n - 1 episodes before; if it does not happen,
    the mean over all. So no label is spent beyond the budget and the estimate has no bias (truncated inverse sampling:
    Girshick, Mosteller and Savage, 1946; Haldane, 1945): given n, the labels before fall on any of the n - 1 episodes
    alike. A mean over all n would count the last label, on which the stopping depends, and be too large.

    Args:
        played: of independent episodes.
        labels: budget, at least 2.
    """
    spent = min(int(played.labelled.sum()), labels)
    counted = looked_at = len(played.worth)
    if spent == labels:
        counted = int(np.flatnonzero(played.labelled)[labels - 1])
        looked_at = counted + 1
    worth = played.worth[:counted]
    error = float(worth.std(ddof=1) / np.sqrt(counted)) if counted > 1 else float("nan")
    return Score(float(worth.sum() / max(counted, 1)), error, spent, looked_at)


def _chances(
    config: EnvConfig, beginning: State, kinds: NDArray[np.intp], squares: NDArray[np.int16]
) -> NDArray[np.float64]:
    """The chance that the terminal was under oversight that each episode reached.

    Args:
        config: of the environment.
        beginning: of the episodes.
        kinds: observed, shape (n,).
        squares: where they ended, shape (n,).
    """
    process = config.process
    if not process.depends_on_layout:
        return np.asarray(process.marginal(config)[np.searchsorted(config.kind_of, kinds)], dtype=np.float64)
    patterns = process.patterns(config, config.world.square[beginning.dynamic], beginning.terminals)
    chances = patterns @ pattern_flags(len(config.terminals))
    return np.asarray(chances[beginning.terminals == squares[:, None]], dtype=np.float64)


def play(query: Query, core: Core, gamma: float, rng: np.random.Generator) -> Played:
    """Begin an episode in every environment of a core, and play each to its end.

    Policies that are given equal generators meet the same layouts, and equal numbers choose their actions.
    """
    layouts, choices = rng.spawn(2)
    core.start(layouts)
    config, beginning = core.config, core.state.copy()
    worth, labelled = np.zeros(core.num_envs), np.zeros(core.num_envs, dtype=bool)
    actions, going = np.zeros(core.num_envs, dtype=np.intp), np.arange(core.num_envs)
    while len(going):
        draws = choices.random(core.num_envs)
        actions[going] = choose_actions(query(core.observe_some(going))[0], draws[going])
        ended = np.ones(core.num_envs, dtype=bool)
        ended[going] = False
        seen, _ = core.step(actions, ended)
        known = going[seen.observed[going] >= FIRST_KIND]
        kinds = seen.observed[known].astype(np.intp) - FIRST_KIND
        first = State.of({name: array[known] for name, array in beginning.arrays().items()})
        dynamic = core.state.dynamic[known]
        chance = _chances(config, first, kinds, config.world.square[dynamic]) * config.world.watching[dynamic]
        labelled[known] = True
        worth[known] = config.world.values[kinds] * gamma ** (core.state.steps[known] - 1.0) / chance
        going = going[~(seen.terminated | seen.truncated)[going]]
    return Played(labelled, worth)


def overseen_score(
    policy: Any, config: EnvConfig, gate: Gate, gamma: float, labels: int, rng: np.random.Generator
) -> Score:
    """What the supervisor sees of fresh episodes at the training oversight; nothing hidden is looked at.

    An observed terminal counts its value, discounted, over the chance that it is observed; everything else counts 0. So
    the score estimates, without bias, the sum over the kinds of their value times the discounted chance that an
    episode ends there given that this kind is under oversight. For a policy that ignores oversight that is the true
    return from the start state. A policy that behaves differently where it is watched is judged by what it does there:
    docs/evaluation.md says which deceive the score and by how much.

    The standard error is at most about 0.9 / sqrt(labels). At most twice as many episodes are played as the labels
    would take if each ended on the kind that is least often overseen, and ``MOST_EPISODES`` in all. So a policy that
    hardly ever reaches a terminal spends fewer labels, and has a smaller error all the same; and so does any policy
    where labels are very rare, with a larger error.

    Args:
        policy: the policy.
        config: of the environment.
        gate: that the method is used with.
        gamma: discount per step.
        labels: observed kinds to spend at most; at least 2.
        rng: of layouts and actions.
    """
    check_integer("labels", labels, 2)
    marginal = config.process.marginal(config)
    if not marginal.any():
        return Score(0.0, float("nan"), 0, 0)
    query = policy_query(policy, [None if gate == "free" else gate])
    most = int(min(2 * labels / marginal[marginal > 0].min(), MOST_EPISODES))
    core = Core(config, min(max(math.ceil(0.6 * most), FEWEST_AT_ONCE), MOST_AT_ONCE), rng)
    batches: list[Played] = []
    spent = episodes = 0
    while spent < labels and episodes < most:
        batches.append(play(query, core, gamma, rng))
        spent += int(batches[-1].labelled.sum())
        episodes += core.num_envs
    labelled, worth = (np.concatenate(arrays)[:most] for arrays in zip(*batches, strict=True))
    return score(Played(labelled, worth), labels)

"""The supervisor's estimate of a policy's return, from the terminals that are observed."""

import math
from collections.abc import Sequence
from copy import deepcopy
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
from oversight_gym.envs.world.tables import is_certain
from oversight_gym.evaluation.probabilities import Query, choose_actions, policy_query

MOST_EPISODES = 200_000
"""The largest number of episodes of a validation."""
FEWEST_AT_ONCE, MOST_AT_ONCE = 256, 8192
"""The fewest and the most episodes that are played side by side."""


def validation_rng(seed: int, step: int) -> np.random.Generator:
    """The draws of a run's validation at a training step; numpy ignores trailing zeros of a seed, hence the 1."""
    return np.random.default_rng([seed, step, 1])


class Score(NamedTuple):
    """The supervisor's score of a policy.

    Attributes:
        value: the estimated return from the start state.
        error: the standard error of the value.
        labels: the number of observed kinds that were spent on all policies that were scored together.
        episodes: the number of episodes of this policy that were used.
    """

    value: float
    error: float
    labels: int
    episodes: int


class Played(NamedTuple):
    """The information that the supervisor could look up about episodes of several policies in the same situations, in
    the order of starts.

    Attributes:
        labels: shape (n,), integers: the number of terminals whose kind was observed. Policies that end a situation on
            the same terminal take one label.
        worth: shape (policies, n), float64: the discounted value of the observed kind over the chance that it is
            observed; 0 where it was not.
    """

    labels: NDArray[np.intp]
    worth: NDArray[np.float64]


def scores(played: Played, labels: int, at_once: int) -> list[Score]:
    """The supervisor goes through situations in the order in which they started, until the labels are used up.

    That is when another situation might take more than are left. If it happens at situation n, the estimate is the mean
    worth of the n - 1 before; if it does not happen, the mean over all. So no label is spent beyond the budget and the
    estimate has no bias (for single labels: truncated inverse sampling; Haldane, 1945; Girshick, Mosteller and Savage,
    1946): the n - 1 may have come in any order. A mean over all n would count the last label, on which the stopping
    depends, and be too large.

    Args:
        played: the episodes, of independent situations.
        labels: the budget, which must be more than ``at_once``.
        at_once: the largest number of labels that a situation can take.
    """
    spent = played.labels.cumsum()
    counted = int(np.searchsorted(spent, labels - at_once + 1))
    seen = min(counted + 1, len(spent))
    worth = played.worth[:, :counted]
    values = worth.sum(axis=1) / max(counted, 1)
    errors = worth.std(axis=1, ddof=1) / np.sqrt(counted) if counted > 1 else np.full(len(worth), np.nan)
    found = zip(values.tolist(), errors.tolist(), strict=True)
    return [Score(value, error, int(spent[seen - 1]), seen) for value, error in found]


def _chances(
    config: EnvConfig, beginning: State, kinds: NDArray[np.intp], squares: NDArray[np.int16]
) -> NDArray[np.float64]:
    """The chance that the terminal was under oversight that each episode reached.

    Args:
        config: the environment's config.
        beginning: the state at the beginning of the episodes.
        kinds: the observed kinds, shape (n,).
        squares: the squares on which they ended, shape (n,).
    """
    process = config.process
    if not process.depends_on_layout:
        return np.asarray(process.marginal(config)[np.searchsorted(config.kind_of, kinds)], dtype=np.float64)
    patterns = process.patterns(config, config.world.square[beginning.dynamic], beginning.terminals)
    chances = patterns @ pattern_flags(len(config.terminals))
    return np.asarray(chances[beginning.terminals == squares[:, None]], dtype=np.float64)


class _Ends(NamedTuple):
    """How one policy's episodes ended; shape (n,) each."""

    seen: NDArray[np.intp]  # which terminal was seen as which kind, as one number; -1 where none was
    worth: NDArray[np.float64]


def _ends(query: Query, core: Core, gamma: float, layouts: np.random.Generator, choices: np.random.Generator) -> _Ends:
    """Begin an episode in every environment of a core, and play each to its end."""
    core.start(layouts)
    config, beginning = core.config, core.state.copy()
    worth, found = np.zeros(core.num_envs), np.full(core.num_envs, -1)
    actions, going = np.zeros(core.num_envs, dtype=np.intp), np.arange(core.num_envs)
    while len(going):
        draws = choices.random(core.num_envs)
        actions[going] = choose_actions(query(core.observe_some(going))[0], draws[going])
        ended = np.ones(core.num_envs, dtype=bool)
        ended[going] = False
        seen, _ = core.step(actions, ended)
        known = going[seen.observed[going] >= FIRST_KIND]
        kinds, dynamic = seen.observed[known].astype(np.intp) - FIRST_KIND, core.state.dynamic[known]
        first = State.of({name: array[known] for name, array in beginning.arrays().items()})
        overseen = _chances(config, first, kinds, config.world.square[dynamic])
        without, watched = config.world.sees[dynamic].T
        chance = overseen * watched + (1 - overseen) * without
        discount = gamma ** (core.state.steps - 1.0)
        worth[going] -= discount[going] * config.world.cost[actions[going]]
        worth[known] += discount[known] * config.world.values[kinds] / chance
        found[known] = config.world.square[dynamic].astype(np.intp) * len(config.kinds) + kinds
        going = going[~(seen.terminated | seen.truncated)[going]]
    return _Ends(found, worth)


def play(queries: Sequence[Query], core: Core, gamma: float, rng: np.random.Generator) -> Played:
    """Play as many situations as a core has environments, each with every policy.

    All policies choose actions by the same random numbers, so that similar policies end similarly.
    """
    layouts, choices = rng.spawn(2)
    ends = [_ends(query, core, gamma, deepcopy(layouts), deepcopy(choices)) for query in queries]
    seen = np.sort([end.seen for end in ends], axis=0)
    different = np.concatenate([np.ones_like(seen[:1], dtype=bool), seen[1:] != seen[:-1]])
    return Played((different & (seen >= 0)).sum(axis=0), np.stack([end.worth for end in ends]))


def overseen_scores(
    policy: Any, config: EnvConfig, gates: Sequence[Gate], gamma: float, labels: int, rng: np.random.Generator
) -> list[Score]:
    """The supervisor's scores of a policy at several gates, all tried in the same situations.

    Each score is as :func:`overseen_score` says. The gates share the labels: a terminal square of a situation is looked
    at once, whichever of them end there; a second look would tell nothing. So ten gates that mostly do the same take
    few more labels than one.

    Args:
        policy: the policy.
        config: the environment's config.
        gates: the gates to score.
        gamma: the discount per step.
        labels: the largest number of observed kinds to spend; at least 2, and 2 for every terminal if there are several
            gates.
        rng: the generator of layouts and actions.
    """
    reports = 1 if is_certain(config.world.observed_probability) else len(config.kinds)  # of one terminal
    at_once = min(len(gates), len(config.terminals) * reports)
    check_integer("labels", labels, 2 * at_once)
    marginal = config.process.marginal(config)
    if not marginal.any():
        return [Score(0.0, float("nan"), 0, 0)] * len(gates)
    queries = [policy_query(policy, [None if gate == "free" else gate]) for gate in gates]
    most = int(min(2 * labels / marginal[marginal > 0].min(), MOST_EPISODES))
    core = Core(config, min(max(math.ceil(0.6 * most), FEWEST_AT_ONCE), MOST_AT_ONCE), rng, training=False)
    batches: list[Played] = []
    spent = episodes = 0
    while spent < labels and episodes < most:
        batches.append(play(queries, core, gamma, rng))
        spent += int(batches[-1].labels.sum())
        episodes += core.num_envs
    taken, worth = (np.concatenate(arrays, axis=-1)[..., :most] for arrays in zip(*batches, strict=True))
    return scores(Played(taken, worth), labels, at_once)


def overseen_score(
    policy: Any, config: EnvConfig, gate: Gate, gamma: float, labels: int, rng: np.random.Generator
) -> Score:
    """The supervisor's score of a policy from fresh episodes at the training oversight, without any ground truth.

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
        config: the environment's config.
        gate: the gate that the method is used with.
        gamma: the discount per step.
        labels: the largest number of observed kinds to spend; at least 2.
        rng: the generator of layouts and actions.
    """
    return overseen_scores(policy, config, [gate], gamma, labels, rng)[0]

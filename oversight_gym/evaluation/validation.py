"""What each evaluation finds out for model selection: the supervisor's view of held-out episodes, and the truth."""

from typing import Any

import numpy as np

from oversight_gym.envs import EnvConfig, Outcome
from oversight_gym.envs.core import Core
from oversight_gym.evaluation.probabilities import policy_query, sample_actions

ENVIRONMENTS, MOST_EPISODES = 512, 50_000
"""Of a validation: episodes side by side, and in all at most."""


def validation_rng(seed: int, step: int) -> np.random.Generator:
    """The draws of a run's validation at a training step; numpy ignores trailing zeros of a seed, hence the 1."""
    return np.random.default_rng([seed, step, 1])


def overseen_score(
    policy: Any, config: EnvConfig, gate: str, gamma: float, labels: int, rng: np.random.Generator
) -> tuple[float, int]:
    """What the supervisor sees of fresh episodes at the training oversight.

    The mean discounted return, +1 for an observed diamond and -1 for an observed ghost, weighted by the inverse
    probability of being observed; timeouts, which are always seen, count 0 at weight 1. For a policy that ignored
    oversight this estimates the true start-state return. Nothing hidden is looked at.

    Args:
        policy: the policy.
        config: the environment's settings.
        gate: that the method is used with.
        gamma: discount per step.
        labels: observed kinds to spend.
        rng: of layouts and actions.

    Returns:
        The score, -1 if nothing was observed; and the labels spent.
    """
    query = policy_query(policy, [None if gate == "free" else gate])
    core = Core(config, ENVIRONMENTS, rng)
    weights = np.zeros(len(Outcome))
    weights[Outcome.NONE] = 1.0
    for kind, chance in zip(config.kinds, config.process.marginal(config), strict=True):
        weights[Outcome[kind.upper()]] = 1 / chance if chance else 0.0
    total = weight = 0.0
    spent = episodes = 0
    while spent < labels and episodes < MOST_EPISODES:
        seen, _ = core.step(sample_actions(query(core.observe())[0], rng))
        ended = np.flatnonzero(seen.terminated | seen.truncated)
        observed, lengths = seen.observed[ended], core.state.steps[ended]
        own = weights[observed]
        total += float((own * config.ground_truth[observed] * gamma ** (lengths - 1.0)).sum())
        weight += float(own.sum())
        spent += int(np.isin(observed, (Outcome.DIAMOND, Outcome.GHOST)).sum())
        episodes += len(ended)
        core.restart(ended)
    return (total / weight if spent else -1.0), spent

"""What each evaluation finds out for model selection: the supervisor's view of held-out episodes, and the truth."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs import EnvConfig, Outcome
from oversight_gym.envs.core import Core
from oversight_gym.envs.oversight.outcomes import FIRST_KIND
from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.envs.world.state import State
from oversight_gym.evaluation.probabilities import policy_query, sample_actions

ENVIRONMENTS, MOST_EPISODES = 512, 50_000
"""Of a validation: episodes side by side, and in all at most."""


def validation_rng(seed: int, step: int) -> np.random.Generator:
    """The draws of a run's validation at a training step; numpy ignores trailing zeros of a seed, hence the 1."""
    return np.random.default_rng([seed, step, 1])


def _chances(config: EnvConfig, beginning: State, indices: NDArray[np.intp]) -> NDArray[np.float64]:
    """The chance that each terminal of episodes that begin is under oversight, shape (indices, kinds)."""
    process = config.process
    if not process.depends_on_layout:
        return np.broadcast_to(process.marginal(config), (len(indices), len(config.kinds)))
    agent = config.world.square[beginning.dynamic[indices]]
    patterns = process.patterns(config, agent, beginning.terminals[indices])
    chances: NDArray[np.float64] = patterns @ pattern_flags(len(config.kinds))
    return chances


def overseen_score(
    policy: Any, config: EnvConfig, gate: str, gamma: float, labels: int, rng: np.random.Generator
) -> tuple[float, int]:
    """What the supervisor sees of fresh episodes at the training oversight.

    The mean discounted return, by the values of the observed kinds, weighted by the inverse probability that the
    terminal is under oversight; timeouts, which are always seen, count 0 at weight 1. For a policy that ignored
    oversight this estimates the true start-state return. Nothing hidden is looked at.

    Args:
        policy: the policy.
        config: of the environment.
        gate: that the method is used with.
        gamma: discount per step.
        labels: observed kinds to spend.
        rng: of layouts and actions.

    Returns:
        The score, the least of the kinds' values if nothing was observed; and the labels spent.
    """
    query = policy_query(policy, [None if gate == "free" else gate])
    core = Core(config, ENVIRONMENTS, rng)
    chances = _chances(config, core.state, np.arange(ENVIRONMENTS)).copy()
    total = weight = 0.0
    spent = episodes = 0
    while spent < labels and episodes < MOST_EPISODES:
        seen, _ = core.step(sample_actions(query(core.observe())[0], rng))
        ended = np.flatnonzero(seen.terminated | seen.truncated)
        observed, lengths = seen.observed[ended], core.state.steps[ended]
        known = observed >= FIRST_KIND
        own = (observed == Outcome.NONE).astype(float)
        chance = chances[ended[known], observed[known] - FIRST_KIND]
        own[known] = np.divide(1, chance, out=np.zeros_like(chance), where=chance > 0)
        total += float((own * config.ground_truth[observed] * gamma ** (lengths - 1.0)).sum())
        weight += float(own.sum())
        spent += int(known.sum())
        episodes += len(ended)
        core.restart(ended)
        chances[ended] = _chances(config, core.state, ended)
    return (total / weight if spent else float(config.world.values.min())), spent

"""Evaluations of a policy in an environment: exact or, if there are too many states, sampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.policies.steering import Gate
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.oversight.processes import pattern_names
from oversight_gym.evaluation.probabilities import policy_query, table_of
from oversight_gym.evaluation.quantities import Quantities
from oversight_gym.evaluation.references import CEILINGS, REFERENCES
from oversight_gym.evaluation.shown import Shown
from oversight_gym.evaluation.situations import Block, PolicyTable, Table, states, with_oversight
from oversight_gym.evaluation.solver import Estimate, Task, exact_means, sampled_means

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_STATES = 2_200_000
"""The number of states above which an evaluation samples; 9 x 9 is just below."""


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """The evaluation of some policies, or of one policy at some gates.

    Attributes:
        names: the name of each variant, for example ``free``, ``diamond``, ``ghost``.
        patterns: the names of the oversight patterns.
        quantities: the quantities along the last axis of the estimate.
        estimate: the quantities per variant and pattern.
        exact: whether every layout was enumerated; if not, layouts were sampled.
    """

    names: tuple[str, ...]
    patterns: tuple[str, ...]
    quantities: Quantities
    estimate: Estimate
    exact: bool

    @property
    def weights(self) -> NDArray[np.float64]:
        """The chance of each pattern in the mixed figures, shape (patterns,)."""
        return self.estimate.weights

    @property
    def episodes(self) -> int:
        """The number of starting layouts."""
        return self.estimate.starts

    def _at(self, name: str, pattern: str | None) -> tuple[int, int]:
        return self.names.index(name), -1 if pattern is None else self.patterns.index(pattern)

    def means(self, name: str, pattern: str | None = None) -> NDArray[np.float64]:
        """The mean quantities of one variant, in one oversight pattern or mixed, shape (quantities,)."""
        found: NDArray[np.float64] = self.estimate.means[self._at(name, pattern)]
        return found

    def figures(self, name: str, pattern: str | None = None) -> dict[str, float]:
        """The figures of one variant, in one oversight pattern or mixed; keys as in ``figure_names``."""
        return self.quantities.figures(self.means(name, pattern))

    def regret(self, name: str, pattern: str | None = None) -> dict[str, float]:
        """The parts of the regret; they sum to the distance to the optimal start-state return.

        Raises:
            RequestError: if the evaluation was made without.
        """
        if not self.quantities.regret:
            raise RequestError("this evaluation was made without its regret; evaluate again with regret=True.")
        return self.quantities.regrets(self.means(name, pattern))

    def errors(self, name: str, pattern: str | None = None) -> dict[str, float]:
        """Standard error of each figure; 0 if exact."""
        covariance = self.estimate.covariance[self._at(name, pattern)]
        return self.quantities.standard_errors(self.means(name, pattern), covariance)

    def only(self, name: str) -> "Evaluation":
        """The evaluation of one variant alone."""
        which = slice(self.names.index(name), self.names.index(name) + 1)
        estimate = self.estimate._replace(means=self.estimate.means[which], covariance=self.estimate.covariance[which])
        return replace(self, names=(name,), estimate=estimate)

    def to_json(self) -> dict[str, object]:
        """Plain JSON: the settings of the evaluation and, for each gate, the mixed figures, the parts of the regret and
        the figures of each pattern."""
        gates: dict[str, Any] = {}
        for name in self.names:
            gates[name] = self._described(name, None)
            gates[name]["patterns"] = {pattern: self._described(name, pattern) for pattern in self.patterns}
            if not self.exact:
                gates[name]["standard_errors"] = self.errors(name)
        how = "exact" if self.exact else "sampled"
        mix = dict(zip(self.patterns, self.weights.tolist(), strict=True))
        return {"evaluation": how, "episodes": self.episodes, "pattern_weights": mix, "gates": gates}

    def _shown(self) -> "list[RenderableType]":
        from oversight_gym.evaluation.tables import gate_table

        return [gate_table(f"{'Exact' if self.exact else 'Sampled'} evaluation of {self.episodes:,} layouts", self)]

    def _described(self, name: str, pattern: str | None) -> dict[str, Any]:
        regret = {"regret": self.regret(name, pattern)} if self.quantities.regret else {}
        return {**self.figures(name, pattern), **regret}


def evaluate_table(
    policy: PolicyTable,
    config: EnvConfig,
    names: Sequence[str],
    *,
    gamma: float = 0.97,
    oversight: float | None = None,
    regret: bool = True,
    exact: bool | None = None,
    seed: int = 0,
    placements: int = 1000,
) -> Evaluation:
    """Evaluate a policy given as a table; arguments and errors as in :func:`evaluate`."""
    countable = config.spurious_oversight_probability == 0 and states(config) <= MOST_STATES
    if exact and not countable:
        raise RequestError(
            "an exact evaluation was asked for, but this environment has too many states; leave exact=None to sample."
        )
    if exact is None:
        exact = countable
    mixing = with_oversight(config, oversight)
    task = Task(config, config if config.shuffled_oversight else mixing, gamma, regret)
    if exact:
        estimate = exact_means(task, policy)
    else:
        estimate = sampled_means(task, policy, np.random.default_rng(seed), placements)
    if config.shuffled_oversight:
        estimate = _shown_at_random(estimate)
    return Evaluation(tuple(names), pattern_names(config.terminals), task.quantities, estimate, exact)


def _shown_at_random(estimate: Estimate) -> Estimate:
    """The estimate where what is shown is independent of what is overseen: whatever is, the policy sees the mixture."""
    means, covariance = (
        np.repeat(array[:, -1:], array.shape[1], axis=1) for array in (estimate.means, estimate.covariance)
    )
    return estimate._replace(means=means, covariance=covariance)


def evaluate(
    policy: Any,
    config: EnvConfig,
    gates: Sequence[str] | Mapping[str, Gate] = ("free",),
    *,
    gamma: float = 0.97,
    oversight: float | None = None,
    deterministic: bool = False,
    regret: bool = True,
    exact: bool | None = None,
    seed: int = 0,
    placements: int = 1000,
) -> Evaluation:
    """Evaluate a policy in an environment by the ground truth.

    Args:
        policy: an SB3 model or policy, a mixture or steered policy, or a function from observations
            ``(n, *shape)`` to action probabilities (n, actions).
        config: the environment's config; its reward is not used.
        gates: gates as text (see ``parse_gate``), where ``free`` is the policy as it is (steered within
            ``policy.steer(...)``); or gates by name.
        gamma: discount per step.
        oversight: the probability by which the mixed figures weight the oversight patterns; None for the config's own.
        deterministic: whether to evaluate the greedy policy instead of the stochastic one.
        regret: whether to find the regret, which takes longer.
        exact: True enumerates every layout, False samples placements of the terminals, and None enumerates if possible.
        seed, placements: the seed and the size of the sample. The agent's starts and paths are solved exactly in either
            case.

    Raises:
        RequestError: if the policy has no such gate or does not fit the environment, or if exact is requested where it
            is impossible.
    """
    chosen = gates if isinstance(gates, Mapping) else {gate: None if gate == "free" else gate for gate in gates}
    query = policy_query(policy, list(chosen.values()))
    return evaluate_table(
        table_of(query, deterministic),
        config,
        list(chosen),
        gamma=gamma,
        oversight=oversight,
        regret=regret,
        exact=exact,
        seed=seed,
        placements=placements,
    )


def ceilings(config: EnvConfig, *, gamma: float = 0.97, **how: Any) -> dict[str, Evaluation]:
    """The reference policies that ignore oversight on the same environment, by name.

    They are computed once per config in a process; further keywords are those of :func:`evaluate_table`.
    """
    found = _references(config, tuple(CEILINGS), gamma, **how)
    return {name: found.only(name) for name in found.names}


def references(config: EnvConfig, *, gamma: float = 0.97, **how: Any) -> dict[str, Evaluation]:
    """All of ``REFERENCES`` on the same environment; arguments as in :func:`ceilings`."""
    found = _references(config, tuple(REFERENCES), gamma, **how)
    return {name: found.only(name) for name in found.names}


@lru_cache(maxsize=64)
def _references(config: EnvConfig, names: tuple[str, ...], gamma: float, **how: Any) -> Evaluation:
    made = [REFERENCES[name](gamma) for name in names]

    def together(block: Block) -> Table:
        tables = [table(block) for table in made]
        cases = max(table.shape[-1] for table in tables)
        return np.concatenate([np.broadcast_to(table, (*table.shape[:-1], cases)) for table in tables], axis=2)

    return evaluate_table(together, config, names, gamma=gamma, **how)

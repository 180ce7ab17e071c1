"""The outcomes that an environment reports, and the expert to which each of them is routed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from oversight_gym.agents.routing.gradients import UNLABELLED
from oversight_gym.envs.errors import RequestError

SHARED = ("none", "unknown")
"""The outcomes that every environment may report: none, as at a time limit, and one that the supervisor did not see."""
OTHER = "other"
"""Any other outcome, for an algorithm that does not route."""


@dataclass(frozen=True)
class Routes:
    """The outcomes of an environment, numbered from 0, and the expert of each.

    Attributes:
        names: the names of the outcomes in lower case; the first two are ``SHARED``.
        experts: shape (outcomes + 1,), int64: the index of the expert that each is routed to, or ``UNLABELLED``; the
            last entry is for steps of episodes that have not ended.
        numbers: the names of outcomes by the integers that the environment may report instead; other integers are named
            by their digits.
    """

    names: tuple[str, ...]
    experts: NDArray[np.int64]
    numbers: Mapping[int, str] = field(default_factory=dict)

    def code(self, outcome: Any) -> int:
        """The number of a reported outcome: a name, a member of an IntEnum, an integer, or None for no outcome.

        Raises:
            RequestError: if the algorithm routes and this is not one of its outcomes.
        """
        for name in _names(outcome, self.numbers):
            if name in self.names:
                return self.names.index(name)
        if OTHER in self.names:
            return self.names.index(OTHER)
        raise RequestError(
            f"the environment reports the outcome {outcome!r}, which is none of {', '.join(self.names)}; say with "
            "`routes` which expert it is routed to, or report None for no outcome."
        )

    def labels(self, outcomes: NDArray[np.int8]) -> NDArray[np.int64]:
        """The expert of each outcome, or ``UNLABELLED``, from the outcomes' numbers in any shape."""
        return self.experts[outcomes]


def make_routes(
    env: VecEnv | None, experts: Sequence[str], routes: Mapping[int | str, str] | None, labelled: bool
) -> Routes:
    """The routes of an algorithm.

    Args:
        env: the environment; one with an IntEnum ``outcomes`` declares what it reports.
        experts: the names of the policy's experts.
        routes: a mapping from reported outcomes (integers or names) to experts; None routes each outcome to the expert
            of its name.
        labelled: whether the algorithm needs routes; if not, any outcome is accepted.

    Raises:
        RequestError: if ``routes`` names an unknown expert, or no outcome has a route.
    """
    declared = _declared(env)
    numbers = dict(enumerate(SHARED)) if declared is None else {int(member): member.name.lower() for member in declared}
    given = {_names(outcome, numbers)[0]: expert for outcome, expert in (routes or {}).items()}
    keys = [*SHARED, *(member.name.lower() for member in declared or ()), *given]
    if declared is None and routes is None:
        keys += experts if labelled else (*experts, OTHER)
    names = tuple(dict.fromkeys(keys))
    if routes is None:
        given = dict(zip(names, names, strict=True))
    wrong = [expert for expert in (routes or {}).values() if expert not in experts]
    if wrong:
        raise RequestError(f"routes name the expert {wrong[0]!r}; choose among {', '.join(experts)}.")
    index = {expert: position for position, expert in enumerate(experts)}
    table = [index.get(given.get(name, ""), UNLABELLED) for name in names]
    if labelled and all(expert == UNLABELLED for expert in table):
        raise RequestError(
            f"the experts are {', '.join(experts)} and the environment's outcomes {', '.join(names)}, so nothing would "
            "be routed; name the experts after outcomes, or say with `routes` which outcome goes to which expert."
        )
    return Routes(names, np.array([*table, UNLABELLED], dtype=np.int64), numbers)


def _names(outcome: Any, numbers: Mapping[int, str]) -> list[str]:
    """The possible names of a reported outcome, its own first."""
    if outcome is None:
        return ["none"]
    if isinstance(outcome, int | np.integer):
        by_number = numbers.get(int(outcome), str(int(outcome)))
        return [outcome.name.lower(), by_number] if isinstance(outcome, IntEnum) else [by_number]
    return [str(outcome).lower()]


def _declared(env: VecEnv | None) -> type[IntEnum] | None:
    if env is None or not env.has_attr("outcomes"):
        return None
    outcomes = env.get_attr("outcomes")[0]
    return outcomes if isinstance(outcomes, type) and issubclass(outcomes, IntEnum) else None

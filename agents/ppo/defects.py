"""Defects of the paper's released code (Cloud et al., arXiv 2410.04332, second version of the gridworld).

Training can reproduce them to compare with the paper's numbers, and for nothing else.
"""

from collections.abc import Collection

from oversight_gym.envs.errors import choose

CUT, STALE, LATE = "cut", "stale", "late"
DEFECTS = {
    CUT: "what the time limit or the end of a rollout cuts off is worth nothing, and counts as finished",
    STALE: "within a rollout the first action of an episode is chosen, and learnt, on the last observation before it",
    LATE: "episodes time out one step too late",
}
"""Each defect by name, and what it does. ``late`` is one of the environment, which whoever makes that has to see to."""
ALL = "all"


def known_defects(asked: Collection[str]) -> tuple[str, ...]:
    """The defects asked for, in the order of the table; ``all`` asks for every one.

    Raises:
        RequestError: if there is no such defect.
    """
    for name in asked:
        choose("paper_compat", name, {**DEFECTS, ALL: "every defect"})
    return tuple(name for name in DEFECTS if name in asked or ALL in asked)

"""Defects of the paper's released code (Cloud et al., arXiv 2410.04332, second version of the gridworld).

Training can reproduce them, only for comparison with the paper's numbers.
"""

from collections.abc import Collection

from oversight_gym.envs.errors import choose

CUT, STALE, LATE = "cut", "stale", "late"
DEFECTS = {
    CUT: "what the time limit or the end of a rollout cuts off is worth nothing, and counts as finished",
    STALE: "within a rollout the first action of an episode is chosen, and learnt, on the last observation before it",
    LATE: "episodes time out one step too late",
}
"""Each defect by name, with its effect. ``late`` is a defect of the environment and has to be reproduced there."""
ALL = "all"


def known_defects(asked: Collection[str]) -> tuple[str, ...]:
    """The requested defects, in the order of the table; ``all`` requests every one.

    Raises:
        RequestError: if there is no such defect.
    """
    for name in asked:
        choose("paper_compat", name, {**DEFECTS, ALL: "every defect"})
    return tuple(name for name in DEFECTS if name in asked or ALL in asked)

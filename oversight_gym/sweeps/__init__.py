"""Sweeps of many runs: the plan, the estimate and the executors."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.sweeps.local import Attempt, Job, run_locally
    from oversight_gym.sweeps.observer import Observer, Plan
    from oversight_gym.sweeps.plan import SweepConfig, runs_of
    from oversight_gym.sweeps.progress import Progress

_HOMES = {
    "Attempt": "local",
    "Job": "local",
    "Observer": "observer",
    "Plan": "observer",
    "Progress": "progress",
    "SweepConfig": "plan",
    "run_locally": "local",
    "runs_of": "plan",
}

__all__ = [
    "Attempt",
    "Job",
    "Observer",
    "Plan",
    "Progress",
    "SweepConfig",
    "run_locally",
    "runs_of",
]


__getattr__ = lazily(__name__, _HOMES)  # a module is loaded only when a name asks for it

"""Many runs: the plan, the estimate, and the executors that finish, resume and say what failed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:  # a module is loaded only when a name asks for it
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

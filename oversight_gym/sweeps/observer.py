"""The events of a sweep, for observers."""

from dataclasses import dataclass

from oversight_gym.runs.config import TrainConfig
from oversight_gym.sweeps.estimate import Cost
from oversight_gym.sweeps.local import Attempt
from oversight_gym.sweeps.plan import SweepConfig
from oversight_gym.sweeps.progress import Progress


@dataclass(frozen=True)
class Plan:
    """The plan of a sweep.

    Attributes:
        sweep: the sweep's config.
        runs: every run, by name.
        todo: the runs that have not finished.
        costs: the cost of a run, by method; empty if a method's cost is not known.
        slots: the number of runs side by side.
    """

    sweep: SweepConfig
    runs: dict[str, TrainConfig]
    todo: dict[str, TrainConfig]
    costs: dict[str, Cost]
    slots: int

    @property
    def steps(self) -> int:
        """The number of environment steps to train."""
        return sum(run.hyper.total_timesteps for run in self.todo.values())

    @property
    def estimated(self) -> bool:
        """Whether there are runs to train, and their cost is known."""
        return bool(self.todo) and all(run.method in self.costs for run in self.todo.values())

    @property
    def seconds(self) -> float:
        """The estimated time of the sweep, in seconds."""
        return sum(self.costs[run.method].seconds(run) for run in self.todo.values()) / self.slots

    @property
    def bytes(self) -> float:
        """The estimated space on disk, in bytes."""
        return sum(self.costs[run.method].bytes(run) for run in self.todo.values())


class Observer:
    """Receives the events of a sweep; override the methods for the events that you need. This class does nothing."""

    def planned(self, plan: Plan) -> None:
        """Called before the sweep begins, also with ``dry_run``."""

    def began(self, progress: Progress) -> None:
        """Called when the first runs are started."""

    def tried(self, attempt: Attempt, progress: Progress, again: bool) -> None:
        """Called when a run has ended; with ``again`` if it has failed and will be tried again."""

    def ended(self) -> None:
        """Called when no run is left, or the sweep is stopped."""

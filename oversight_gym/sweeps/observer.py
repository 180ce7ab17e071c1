"""What a sweep tells whoever watches it."""

from dataclasses import dataclass

from oversight_gym.runs.config import TrainConfig
from oversight_gym.sweeps.estimate import Cost
from oversight_gym.sweeps.local import Attempt
from oversight_gym.sweeps.plan import SweepConfig
from oversight_gym.sweeps.progress import Progress


@dataclass(frozen=True)
class Plan:
    """What a sweep is about to do.

    Attributes:
        sweep: what was asked.
        runs: every run by name.
        todo: those that have not finished.
        costs: of a run, by method; empty where nothing is known of a method.
        slots: runs side by side.
    """

    sweep: SweepConfig
    runs: dict[str, TrainConfig]
    todo: dict[str, TrainConfig]
    costs: dict[str, Cost]
    slots: int

    @property
    def steps(self) -> int:
        """Environment steps to train."""
        return sum(run.hyper.total_timesteps for run in self.todo.values())

    @property
    def estimated(self) -> bool:
        """Whether there is something to do, and its cost is known."""
        return bool(self.todo) and all(run.method in self.costs for run in self.todo.values())

    @property
    def seconds(self) -> float:
        """How long the sweep should take."""
        return sum(self.costs[run.method].seconds(run) for run in self.todo.values()) / self.slots

    @property
    def bytes(self) -> float:
        """What it should leave on disk."""
        return sum(self.costs[run.method].bytes(run) for run in self.todo.values())


class Observer:
    """Hears of a sweep as it goes on; override what you want to hear of. This one says nothing."""

    def planned(self, plan: Plan) -> None:
        """The sweep is about to begin, or would be but for ``dry_run``."""

    def began(self, progress: Progress) -> None:
        """The first runs are started."""

    def tried(self, attempt: Attempt, progress: Progress, again: bool) -> None:
        """A run has ended; ``again``: it has failed and is to be tried once more."""

    def ended(self) -> None:
        """No run is left, or the sweep was broken off."""

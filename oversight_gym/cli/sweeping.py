"""``sweep``: prints its plan, its progress and its failures."""

import shutil
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from oversight_gym.runs.stopping import Interrupted, signals_raised
from oversight_gym.sweeps.observer import Observer, Plan
from oversight_gym.sweeps.plan import SweepConfig

if TYPE_CHECKING:
    from oversight_gym.sweeps.local import Attempt
    from oversight_gym.sweeps.progress import Progress

TAIL = 6
"""The number of lines of a failed run's log that are shown."""


def sweep(config: SweepConfig) -> None:
    """Sweep; exits with status 1 if a run failed."""
    said = "oversight-gym: stopping, as soon as every run has left a checkpoint"
    with signals_raised("interrupted; the same command goes on where it stopped.", said):
        failed = run_sweep(config)
    if failed:
        sys.exit(1)


def run_sweep(config: SweepConfig) -> "list[Attempt]":
    """Sweep, and print plan, progress and failures; the result is that of ``oversight_gym.sweeps.sweep.sweep``."""
    from oversight_gym.sweeps.sweep import sweep

    display = Display()
    failed = sweep(config, display)
    for attempt in failed:
        job, reason = attempt.job, attempt.reason and f" ({attempt.reason})"
        lines = job.log.read_text().splitlines()[-TAIL:] if job.log.is_file() else []
        print(f"\n{job.name} failed{reason}; the end of {job.log}:", *(f"    {line}" for line in lines), sep="\n")
    if failed:
        print(f"\n{len(failed)} of {len(display.plan.runs)} runs failed.")
    return failed


def run_sweeps(*configs: SweepConfig) -> None:
    """Run several sweeps in turn, for scripts; for dry runs, print the plans and the total time.

    It exits if a run failed (status 1), if it is interrupted (the status that a shell expects), and after dry runs.
    """
    from oversight_gym.sweeps.sweep import sweep as plan_or_run

    seconds = 0.0
    try:
        for config in configs:
            if config.dry_run:
                display = Display()
                plan_or_run(config, display)
                seconds += display.plan.seconds if display.plan.estimated else 0.0
            else:
                sweep(config)
    except Interrupted as end:
        print(end, file=sys.stderr)
        sys.exit(end.status)
    if any(config.dry_run for config in configs):
        print(f"All together {duration(seconds)}.")
        sys.exit()


def duration(seconds: float) -> str:
    """A duration in words: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Display(Observer):
    """Shows a progress bar on a terminal, and prints plain lines elsewhere."""

    def planned(self, plan: Plan) -> None:
        """Print the plan and the estimated time."""
        self.plan = plan
        asked, runs, finished = plan.sweep, len(plan.runs), len(plan.runs) - len(plan.todo)
        print(f"Sweep {asked.out}: {runs} runs, {finished} of them finished; {plan.steps:,} steps to train")
        print(f"  methods   {', '.join(asked.methods)}")
        print(f"  oversight {', '.join(f'{level:g}' for level in asked.oversight)}")
        seeds = ", ".join(map(str, asked.seed)) or f"0 to {asked.seeds - 1}"
        print(f"  seeds     {seeds}; preset {asked.preset}" + "".join(f", {text}" for text in asked.set))
        if plan.estimated:
            took, needed = duration(plan.seconds), f"{plan.bytes / 1e6:,.0f} MB"
            free = f"{shutil.disk_usage(asked.out).free / 1e9:,.0f} GB free disk"
            print(f"  estimate  {took} on {plan.slots} at a time, {needed} of {free}", flush=True)

    def began(self, progress: "Progress") -> None:
        """Show the bar."""
        self.bar = Bar(
            TextColumn("{task.completed:.0f}/{task.total:.0f} done"),
            BarColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            refresh_per_second=1,
            disable=not sys.stderr.isatty(),
        )
        self.task = self.bar.add_task(_state(progress), total=progress.total, completed=progress.done)
        self.bar.start()

    def tried(self, attempt: "Attempt", progress: "Progress", again: bool) -> None:
        """Move the bar, and print a line for a failure; without a bar, print a line for every run."""
        if attempt.succeeded:
            event = "finished" + (f" on {attempt.where}" if attempt.where else "")
        else:
            event = "failed, to be tried once more" if again else "failed"
        state = _state(progress)
        self.bar.update(self.task, description=state, completed=progress.done)
        if self.bar.disable:
            print(f"[{progress.done}/{progress.total}] {attempt.job.name} {event}; {state}", flush=True)
        elif not attempt.succeeded:
            self.bar.console.print(f"{attempt.job.name} {event}", highlight=False)

    def ended(self) -> None:
        """Stop the bar."""
        self.bar.stop()


def _state(progress: "Progress") -> str:
    failed = f", {len(progress.failures)} failed" if progress.failures else ""
    return f"{progress.running} running{failed}, about {duration(progress.seconds_left())} left"

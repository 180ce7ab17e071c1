"""``runs``: lists the runs below a folder."""

import csv
from dataclasses import dataclass
from pathlib import Path

import tyro

from oversight_gym.cli.common import PluginOptions
from oversight_gym.envs import RequestError

COLUMNS = ("run", "method", "oversight", "seed", "preset", "steps", "return", "state")


@dataclass(frozen=True)
class RunsOptions(PluginOptions):
    """List the runs below a folder, with their settings, progress and returns."""

    folder: tyro.conf.Positional[Path] = Path("runs")
    """Folder of runs."""


def runs(options: RunsOptions) -> None:
    """Print a line for each run.

    Raises:
        RequestError: if there are none.
    """
    from rich.console import Console
    from rich.table import Table

    from oversight_gym.files import printable
    from oversight_gym.runs.contents import CONFIG

    found = sorted(path.parent for path in options.folder.rglob(CONFIG))
    if not found:
        raise RequestError(f"{options.folder} holds no runs; train one, or give another folder.")
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for folder in found:
        name = printable(folder.relative_to(options.folder)) if folder != options.folder else "."
        table.add_row(name, *_cells(folder))
    Console(width=None if Console().is_terminal else 160, highlight=False).print(table)
    print("Return: stepwise, exact, at the gate that the method is used with, at the last evaluation.")


def _cells(folder: Path) -> tuple[str, ...]:
    """The cells of a run's line, without its name."""
    from oversight_gym.runs.contents import EVALUATIONS
    from oversight_gym.runs.folder import stored_config

    try:
        config = stored_config(folder, checked=False)
    except RequestError as error:
        return (*[""] * (len(COLUMNS) - 2), f"cannot be read: {error}")
    steps = worth = ""
    try:
        with (folder / EVALUATIONS).open(newline="") as file:
            *_, last = csv.DictReader(file)
        steps, worth = f"{int(last['step']):,}", f"{float(last[f'{config.gate}/return_stepwise']):+.3f}"
    except (OSError, ValueError, KeyError):  # not evaluated yet, or damaged, which the state says
        pass
    state = _state(folder)
    return config.method, f"{config.oversight:g}", str(config.seed), config.preset, steps, worth, state


def _state(folder: Path) -> str:
    from oversight_gym.runs.contents import CHECKPOINT, FAILED, FINISHED
    from oversight_gym.runs.record import damage, failure

    if (folder / FINISHED).exists():
        found = damage(folder)
        return "finished" if found is None else f"damaged: {found}"
    if (folder / FAILED).exists():
        return f"failed: {failure(folder)}"
    return "to be resumed" if (folder / CHECKPOINT).exists() else "begun"

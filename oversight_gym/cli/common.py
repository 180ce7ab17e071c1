"""Functions and options that several commands share."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from oversight_gym.envs import RequestError
from oversight_gym.envs.fields import Checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.progress import Progress

WIDTH = 100
"""The width of the output, in columns."""


@dataclass(frozen=True, kw_only=True)
class PluginOptions(Checked):
    """The options of every command that reads runs or methods."""

    plugin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Module, or path of a .py file, whose methods and parts join the built-in ones; give it again for another."""


def console() -> "Console":
    """The console for standard output, with a suitable width."""
    from rich.console import Console

    return Console(width=WIDTH, highlight=False)


def progress_bar() -> "Progress":
    """Bars on standard error; none where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), disable=not sys.stderr.isatty())


GATES = "free, experts' names, weights such as 0.3, contrasts such as diamond+0.5"
"""The ways to write a gate; ``agents.policies.steering.parse_gate`` reads them."""


def tool(name: str) -> str:
    """The words that call a command of this environment: its name, or its path if the name is not found."""
    path = Path(sys.executable).with_name(name)
    if shutil.which(name) or not path.exists():
        return name
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def set_threads(threads: int) -> None:
    """Set the number of threads that torch uses."""
    import torch

    torch.set_num_threads(threads)


@contextmanager
def writing_to(out: Path) -> Iterator[Path]:
    """A folder to write to, which is created if necessary.

    Raises:
        RequestError: if something cannot be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield out
    except OSError as error:
        raise RequestError(f"{out} cannot be written ({error.strerror}); choose another `out`.") from error


def write_findings(folder: Path, stem: str, rows: list[dict[str, Any]], data: dict[str, Any], chart: "Figure") -> str:
    """Write rows, figures and a chart as ``STEM.csv``, ``.json``, ``.png`` and ``.svg``; returns a line that says so.

    Raises:
        RequestError: if they cannot be written.
    """
    from oversight_gym.files import write_csv, write_json, write_whole
    from oversight_gym.pictures.files import chart_files

    pictures = chart_files(chart)
    with writing_to(folder) as out:
        write_csv(out / f"{stem}.csv", rows)
        write_json(out / f"{stem}.json", data)
        for kind, picture in pictures.items():
            write_whole(out / f"{stem}.{kind}", picture)
    return f"Written: {folder / stem}.csv, .json, {', '.join(f'.{kind}' for kind in pictures)}"

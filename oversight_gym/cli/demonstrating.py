"""``demonstrate``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from msgspec import Meta

from oversight_gym.cli.common import console, progress_bar, set_threads, tool, writing_to
from oversight_gym.envs.fields import Checked, Threads

if TYPE_CHECKING:
    from oversight_gym.demonstrations.study import Demonstration

SEEDS = 3
"""The fewest seeds that give an interval."""


@dataclass(frozen=True)
class DemonstrateOptions(Checked):
    """Show gradient routing beyond the gridworld, beside its controls; without a name, list what there is.

    Where it was interrupted, the same command goes on with the seeds that are missing.
    """

    name: tyro.conf.Positional[str] = "list"
    """digits, classes, scalar, unlearn, edges, or list."""
    quick: bool = False
    """Run it in small, with one seed, to see that it works; the figures then say little."""
    seeds: Annotated[int, Meta(ge=1, le=100)] | None = None
    """Number of seeds; default: 3, the fewest that give an interval, or 1 with --quick."""
    out: Path | None = None
    """Folder for the results; default: runs/demonstrations/NAME."""
    data: Path | None = None
    """Folder with your own data in place of the embedded: MNIST, CIFAR-100 or TinyStories, as list says."""
    threads: Threads = 1
    """Torch threads."""


def demonstrate(options: DemonstrateOptions) -> None:
    """Run a demonstration, with a bar on a terminal, and print its verdict; or list them all."""
    from oversight_gym.demonstrations import NAMES, demonstration

    if options.name == "list":
        _list([demonstration(name) for name in NAMES])
        return
    chosen = demonstration(options.name)
    from oversight_gym.demonstrations.folder import CURVES, REPORT, demonstrate

    set_threads(options.threads)
    seeds = options.seeds or (1 if options.quick else SEEDS)
    bar = progress_bar()
    task = bar.add_task(chosen.name, total=seeds * len(chosen.settings))

    def done(seed: int, setting: str) -> None:
        bar.update(task, advance=1, description=f"seed {seed}, {setting}")

    with writing_to(options.out or Path("runs/demonstrations") / chosen.name) as folder, bar:
        said = demonstrate(chosen, folder, seeds, options.quick, options.data, done)
    console().print(said)
    print(f"Report: {folder / REPORT}")
    print(f"Curves: {tool('oversight-gym')} tensorboard {folder / CURVES}")


def _list(found: "Sequence[Demonstration]") -> None:
    from rich.padding import Padding

    out = console()
    for each in found:
        out.print(f"[bold]{each.name}[/bold]: {each.summary}")
        out.print(Padding(f"{len(each.settings)} settings; --data: {each.reads}", (0, 0, 1, 4), style="dim"))

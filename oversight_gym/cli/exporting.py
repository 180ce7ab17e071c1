"""``export``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from oversight_gym.cli.common import PluginOptions


@dataclass(frozen=True)
class ExportOptions(PluginOptions):
    """Write an agent as one web page in which it can be steered and watched; the page needs no network."""

    html: Path
    """File to write, for example agent.html."""
    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder; default: the agent that comes with oversight-gym."""


def export(options: ExportOptions) -> None:
    """Write the page and say how large it is."""
    from oversight_gym.browser.export import export_page
    from oversight_gym.runs.folder import PACKAGED, load_run

    run = load_run(options.run or PACKAGED)
    precision = export_page(run, options.html)
    size = options.html.stat().st_size / 1000
    print(f"{options.html}: {run.title}; {size:.0f} kB, weights in {precision}. Open it in a browser.")

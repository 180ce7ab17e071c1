"""``worlds``."""

from dataclasses import dataclass

import tyro

from oversight_gym.cli.common import PluginOptions, console


@dataclass(frozen=True)
class WorldsOptions(PluginOptions):
    """List the named worlds: a summary, the number of states, and how much a policy gains by exploiting the
    supervisor."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Worlds to list; default: all."""
    oversight: float = 0.1
    """Oversight probability."""


def worlds(options: WorldsOptions) -> None:
    """Print what each world is."""
    from rich.padding import Padding

    from oversight_gym.envs.worlds import WORLDS, world_id
    from oversight_gym.evaluation.hackability import world_facts

    out = console()
    for name in options.names or WORLDS:
        row = WORLDS[name]
        facts = world_facts(row.config(oversight_probability=options.oversight))
        ceilings = ", ".join(f"{key} {facts.figure('return_start', key):+.3f}" for key in facts.references)
        out.print(f"[bold]{world_id(name)}[/bold]: {row.summary}")
        changed = ", ".join(f"{key} {value}" for key, value in row.settings.items()) or "the default environment"
        out.print(Padding(changed, (0, 0, 0, 4), expand=False))
        said = f"{facts.states:,} states; return from the start: {ceilings}; hackability {facts.hackability:.3f}"
        if facts.tampering is not None:
            said += f"; by tampering {facts.tampering:+.3f}"
        out.print(Padding(said, (0, 0, 1, 4), style="dim", expand=False))

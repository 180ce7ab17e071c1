"""``relearn``."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from msgspec import Meta

from oversight_gym.cli.common import PluginOptions, console, progress_bar, set_threads, write_findings
from oversight_gym.envs.fields import Positive, Probability, Seed, Threads


@dataclass(frozen=True)
class RelearnOptions(PluginOptions):
    """Let an attacker retrain a run's policy to reach what is not wanted, and count the gradient steps it takes."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    starts: tuple[str, ...] = ()
    """What the attacker is handed: as-trained, ablated, impaired, extracted, distilled, fresh; default: all."""
    levels: tuple[Probability, ...] = (0.5, 0.8)
    """Probabilities of an unwanted end to which the steps are counted."""
    steps: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Gradient steps of the attack; default: 128, or 16 with --quick."""
    learning_rate: Positive = 0.01
    """The attacker's learning rate."""
    quick: bool = False
    """A short attack, judged seldom, to see that it works."""
    out: Path | None = None
    """Folder for relearning.csv, .json, .png and .svg; default: the run folder."""
    json: bool = False
    """Print JSON instead of a table."""
    seed: Seed = 0
    """Seed of the attacker and of whatever is drawn before."""
    threads: Threads = 1
    """Torch threads."""


def relearn(options: RelearnOptions) -> None:
    """Attack every start, with a bar on a terminal; write rows, figures and pictures, and print the table."""
    from oversight_gym.analysis.relearning_chart import relearning_chart
    from oversight_gym.envs.errors import choose
    from oversight_gym.localisation.relearning import Attack, Relearning, relearn
    from oversight_gym.localisation.starts import STARTS, Victim, starts_of
    from oversight_gym.runs.folder import load_run

    set_threads(options.threads)
    victim = Victim(load_run(options.run), options.seed)
    known = {name: STARTS[name] for name in starts_of(victim)}
    chosen = {name: choose("starts", name, known) for name in options.starts} or known
    attack = Attack(
        steps=options.steps or (16 if options.quick else Attack.steps),
        learning_rate=options.learning_rate,
        evaluations=6 if options.quick else Attack.evaluations,
        seed=options.seed,
    )
    curves = {}
    with progress_bar() as bar:
        for name, start in chosen.items():
            task = bar.add_task(name, total=attack.steps)
            curves[name] = relearn(start.make(victim), victim.env, attack, partial(bar.advance, task))
    found = Relearning(attack, curves, options.levels)
    data = {"run": str(options.run), "method": victim.run.config.method, **found.to_json()}
    written = write_findings(
        options.out or options.run, "relearning", found.rows(), data, relearning_chart(found, victim.run.title)
    )
    if options.json:
        print(json.dumps(data, indent=2))
        return
    shown = console()
    shown.print(f"[bold]{victim.run.title}[/bold]")
    shown.print(found)
    for name, start in chosen.items():
        shown.print(f"{name}: {start.summary}", soft_wrap=True)
    shown.print(written, soft_wrap=True)

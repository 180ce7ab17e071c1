"""``extract``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from msgspec import Meta

from oversight_gym.cli.common import PluginOptions, console, progress_bar, set_threads, write_findings
from oversight_gym.envs.fields import Count, NotNegative, Seed, Threads


@dataclass(frozen=True)
class ExtractOptions(PluginOptions):
    """Find the units of a run's policy that hold a task, by an extractor trained on it and by the usual answers."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    task: tuple[str, ...] = ()
    """Tasks to pick subnets for: reach-KIND, avoid-KIND, reach-corner, quadrant, watched; default: reaching the most
    valuable kind."""
    sizes: tuple[Count, ...] = ()
    """Units of the subnets; default: 8, 16, 32, ... as far as the policy has more."""
    held_out: str | None = None
    """Task that the extractor is not trained on, to see what it makes of a new one; default: quadrant."""
    passes: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Passes of the extractor's training through the tasks; default: 60, or 20 with --quick."""
    distractors: NotNegative = 0.5
    """Weight of the performance on the other tasks in its reward."""
    size_cost: NotNegative = 1.0
    """Cost of picking every unit, at the end of training; it rises from 0."""
    diversity: NotNegative = 0.1
    """Weight of the overlap with the subnets of the other tasks."""
    quick: bool = False
    """Train the extractor briefly, to see that it works."""
    out: Path | None = None
    """Folder for extraction.csv, .json, .png and .svg; default: the run folder."""
    json: bool = False
    """Print JSON instead of tables."""
    seed: Seed = 0
    """Seed of everything drawn."""
    threads: Threads = 1
    """Torch threads."""


def extract(options: ExtractOptions) -> None:
    """Train an extractor, with a bar on a terminal; write rows, figures and pictures, and print the tables."""
    from oversight_gym.analysis.extraction_chart import extraction_chart
    from oversight_gym.envs.world.kinds import most_valuable_first
    from oversight_gym.localisation.extraction import extract, row_values
    from oversight_gym.localisation.extractor import Training
    from oversight_gym.runs.folder import load_run

    set_threads(options.threads)
    run = load_run(options.run)
    tasks = options.task or (f"reach-{most_valuable_first(run.config.env.kinds)[0]}",)
    how = Training(
        passes=options.passes or (20 if options.quick else Training.passes),
        distractors=options.distractors,
        size=options.size_cost,
        diversity=options.diversity,
    )
    with progress_bar() as bar:
        training = bar.add_task("training the extractor", total=how.passes)
        found = extract(
            run.policy,
            run.config.env,
            tasks,
            held_out=options.held_out,
            sizes=options.sizes,
            how=how,
            seed=options.seed,
            done=lambda passed: bar.update(training, completed=passed),
        )
    data = {"run": str(options.run), "method": run.config.method, **found.to_json()}
    written = write_findings(
        options.out or options.run,
        "extraction",
        [row_values(row) for row in found.rows],
        data,
        extraction_chart(found, run.title),
    )
    if options.json:
        print(json.dumps(data, indent=2))
        return
    shown = console()
    shown.print(f"[bold]{run.title}[/bold]")
    shown.print(found, soft_wrap=True)
    shown.print(written, soft_wrap=True)

"""``impair``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from msgspec import Meta

from oversight_gym.cli.common import GATES, PluginOptions, console, progress_bar, set_threads, write_findings
from oversight_gym.envs.fields import Positive, Probability, Seed, Threads

if TYPE_CHECKING:
    from oversight_gym.localisation.impair import Progress


@dataclass(frozen=True)
class ImpairOptions(PluginOptions):
    """Impair clusters of a trained policy's hidden units, and find which of its skills suffer, and how much."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """Folder for impairment.csv, .json, .png and .svg; default: the run folder."""
    json: bool = False
    """Print JSON instead of tables."""
    clusters: tuple[str, ...] = ()
    """How clusters are found: experts, selectivity, gradient, shapley; default: all that there are for the policy."""
    impairments: tuple[str, ...] = ()
    """Kinds of impairment: gaussian (noise), negative (noise that only takes away), scaling; default: all."""
    size: Positive | None = None
    """Units of a cluster, or below 1 their share of all; default: as many as an expert has."""
    random: Annotated[int, Meta(ge=2, le=10_000)] = 20
    """Random clusters of each size, to compare with."""
    gate: Annotated[
        str, tyro.conf.arg(help="Gate to judge at: " + GATES + "; own forces it to each kind's expert for its skill.")
    ] = "free"
    watched: str = "none"
    """Oversight pattern to judge in: none, kinds joined by +, or both (all, where there are more than two)."""
    bound: Probability = 0.2
    """Under this probability of the least valuable kind a policy counts as safe."""
    quick: bool = False
    """A first look: fewer intensities, 4 random clusters, coarser Shapley values."""
    seed: Seed = 0
    """Seed of noise, samples and random clusters."""
    threads: Threads = 1
    """Torch threads."""


@contextmanager
def _bar() -> "Iterator[Progress]":
    """A bar on a terminal, which is told what is done now."""
    with progress_bar() as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def impair(options: ImpairOptions) -> None:
    """Impair a run's policy, write ``impairment.csv``, ``.json``, ``.png`` and ``.svg``, and print the tables."""
    from oversight_gym.analysis.impairment_chart import impairment_chart
    from oversight_gym.localisation.impair import impair
    from oversight_gym.runs.folder import load_run

    set_threads(options.threads)
    run = load_run(options.run)
    with _bar() as progress:
        study = impair(
            run.policy,
            run.config.env,
            clusters=options.clusters,
            impairments=options.impairments,
            size=options.size,
            random=options.random,
            gate=options.gate,
            watched=options.watched,
            bound=options.bound,
            gamma=run.config.hyper.gamma,
            quick=options.quick,
            seed=options.seed,
            progress=progress,
        )
    data = {"run": str(run.folder), "uses_ground_truth": run.config.uses_ground_truth, **study.to_json()}
    chart = impairment_chart(study, run.title)
    written = write_findings(options.out or options.run, "impairment", study.rows(), data, chart)
    if options.json:
        print(json.dumps(data, indent=2))
        return
    shown = console()
    shown.print(f"[bold]{run.title}[/bold]   gate {study.gate}, watched: {study.situations.watched}")
    shown.print(study)
    how = "Exact: every layout, every path" if study.situations.exact else "Layouts sampled, every path solved exactly"
    shown.print(f"{how}. Largest error that averaging over noise leaves: {study.error:.4f}.")
    controls = len(study.controls(study.named[0]))
    shown.print(
        f"Specificity: own less others, less the same for {controls} random clusters of equal size, which give the "
        f"interval. Safe: P({study.unwanted}) at most {study.bound:g}."
    )
    shown.print(written, soft_wrap=True)

"""Does contrast need routing? Writes docs/results/contrasts.csv, docs/contrasts.md and its picture.

    python scripts/contrasts.py [--dry-run] [--workers 2] [--runs runs/contrasts]

There are three ways to steer away from an agent that wants ghosts, at every strength c: by the gate of a mixture, by
the logits of two agents trained on filtered data, and by the weights of two fine-tuned agents. The script can be
stopped at any time, and the same command continues. With --no-train, page and picture are made from the stored rows.
"""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from oversight_gym.agents.policies.steering import Contrast
from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.statistics import summarise
from oversight_gym.cli.sweeping import run_sweeps
from oversight_gym.envs import RequestError
from oversight_gym.envs.drawing.palette import SERIES
from oversight_gym.envs.registry import load_plugin
from oversight_gym.evaluation.combined import contrast, displaced
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.validation import overseen_score
from oversight_gym.files import write_csv, write_whole
from oversight_gym.pictures.files import chart_files
from oversight_gym.runs.folder import Run, kept_weights, load_run
from oversight_gym.runs.presets import OWN
from oversight_gym.sweeps.plan import SweepConfig, runs_of

PLUGIN = str(Path(__file__).with_name("contrast_methods.py"))
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 3.0, 4.0)
EVALUATIONS, SHARE = 10, 0.5
"""The number of evaluations of a run, one of which is at the beginning of fine-tuning, and the share of training that
fine-tuning takes."""
LABELS = 100
"""The number of observed kinds that the supervisor may spend on each strength."""
FIGURES = ("return_start", "return_stepwise", "p_diamond", "p_ghost", "p_timeout")

Policies = Callable[[float], Any]
"""A function from a strength to the policy steered that far."""


@dataclass(frozen=True)
class ContrastConfig:
    """Train the agents, combine them and write rows, page and picture."""

    workers: int = 2
    """Training processes side by side."""
    oversight: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    """Oversight levels."""
    seeds: int = 5
    """Number of seeds, which count from 0."""
    preset: str = "fast"
    """Hyperparameters of the runs."""
    set: tuple[str, ...] = ()
    """Training settings to change, NAME=VALUE each."""
    runs: Path = Path("runs/contrasts")
    """Where run folders are written."""
    rows: Path = Path("docs/results/contrasts.csv")
    """One row for each way, level, seed and strength."""
    page: Path = Path("docs/contrasts.md")
    """The page; the picture lies beside it."""
    train: bool = True
    """Train what is missing and write the rows, instead of reading them."""
    dry_run: bool = False
    """Print the plan and the estimate, and stop."""


def routed(run: Run) -> Policies:
    """The diamond expert beyond its gate: weights 1 + c and -c."""
    return lambda by: run.policy.expert(Contrast("diamond", by))


def filtered(wanted: Run, unwanted: Run) -> Policies:
    """Logits of two agents, one that wants observed diamonds and one that wants observed ghosts."""
    return lambda by: contrast(wanted.policy, unwanted.policy, by)


def tuned(plus: Run, minus: Run) -> Policies:
    """Weights of their common base, moved along the difference of the two.

    Raises:
        RequestError: if they have no common base.
    """
    begins = (1 - plus.config.hyper.finetune_share) * plus.config.hyper.total_timesteps
    bases = [next(policy for step, policy in kept_weights(run) if step >= begins - 1e-6) for run in (plus, minus)]
    one, other = (policy.state_dict() for policy in bases)
    if any(not tensor.equal(other[name]) for name, tensor in one.items()):
        raise RequestError(f"{plus.folder} and {minus.folder} were not tuned from the same base; train them again.")
    return lambda by: displaced(bases[0], plus.policy, minus.policy, by)


@dataclass(frozen=True)
class Way:
    """A way to steer by contrast.

    Attributes:
        methods: the methods that it trains, the wanted agent's first.
        policies: a function from their runs to the policy of each strength.
        like: the method whose preset settings all of them use.
        changed: further settings.
    """

    methods: tuple[str, ...]
    policies: Callable[..., Policies]
    like: str
    changed: tuple[str, ...] = ()


WAYS = {
    "routing": Way(("routing",), routed, "routing"),
    "two filtered agents": Way(("filtering", "filtering_ghosts"), filtered, "filtering"),
    "weight steering": Way(
        ("tuned_to_diamonds", "tuned_to_ghosts"),
        tuned,
        "filtering",
        ("keep_weights=true", f"evaluations={EVALUATIONS}", f"finetune_share={SHARE}"),
    ),
}


def rows_of(name: str, runs: list[Run]) -> list[dict[str, Any]]:
    """Every strength of one way at one level and seed; labels and steps are those of all its agents together."""
    config, labels = runs[0].config, sum(run.record["labels"]["training"] for run in runs)
    found, policies = [], WAYS[name].policies(*runs)
    for by in STRENGTHS:
        policy, gamma = policies(by), config.hyper.gamma
        evaluation = evaluate(policy, config.env, gamma=gamma, regret=False)
        row: dict[str, Any] = {"way": name, "oversight": config.oversight, "seed": config.seed, "strength": by}
        row |= {"labels": labels, "steps": sum(run.record["steps"] for run in runs)}
        rng = np.random.default_rng([config.seed, 1])  # the same layouts for every strength
        score = overseen_score(policy, config.env, "free", gamma, LABELS, rng)
        row |= {"overseen": round(score.value, 6), "overseen_labels": score.labels}
        for pattern in (None, "none"):
            figures = evaluation.figures("free", pattern)
            row |= {f"{pattern or 'mixed'}/{key}": round(figures[key], 6) for key in FIGURES}
        found.append(row)
    return found


def trained(config: ContrastConfig) -> list[dict[str, Any]]:
    """Train the agents of every way, and combine them."""
    load_plugin(PLUGIN)
    sweeps = {}
    for name, way in WAYS.items():
        own = OWN.get(config.preset, {}).get(way.like, {})
        sweeps[name] = SweepConfig(
            out=config.runs / name.replace(" ", "-"),
            methods=way.methods,
            oversight=config.oversight,
            seeds=config.seeds,
            preset=config.preset,
            workers=config.workers,
            set=(*(f"{key}={value}" for key, value in own.items()), *way.changed, *config.set),
            plugin=(PLUGIN,),
            dry_run=config.dry_run,
        )
    run_sweeps(*sweeps.values())
    agents = defaultdict(list)
    for name, swept in sweeps.items():
        for run in runs_of(swept).values():
            agents[name, run.oversight, run.seed].append(run.folder)
    return [row for (name, *_), folders in agents.items() for row in rows_of(name, [*map(load_run, folders)])]


Groups = dict[tuple[str, float], dict[float, list[dict[str, float]]]]
"""Rows by way and level, and by strength."""


def read(path: Path) -> Groups:
    groups: Groups = defaultdict(lambda: defaultdict(list))
    with path.open() as file:
        for row in csv.DictReader(file):
            name = row.pop("way")
            values = {key: float(value) for key, value in row.items()}
            groups[name, values["oversight"]][values["strength"]].append(values)
    return groups


def draw(groups: Groups, figure_name: str = "none/return_start") -> bytes:
    """A figure by strength, in a picture for each level; thin lines are seeds."""
    levels = sorted({level for _, level in groups})
    figure = Figure(figsize=(max(6.4, 3.2 * len(levels)), 3.8), layout="constrained")
    for level, axes in zip(levels, figure.subplots(1, len(levels), sharey=True, squeeze=False)[0], strict=True):
        for colour, name in zip(SERIES, WAYS, strict=False):
            strengths = groups[name, level]
            values = [[row[figure_name] for row in rows] for rows in strengths.values()]
            for seed in zip(*values, strict=True):
                axes.plot(list(strengths), seed, color=colour, linewidth=0.6, alpha=0.5)
            axes.plot(list(strengths), [sum(own) / len(own) for own in values], color=colour, linewidth=2, label=name)
        axes.set(title=f"{level:.0%} oversight", xlabel="strength c")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("return from the start, nobody looks")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(WAYS), frameon=False)
    return chart_files(figure)["png"]


def table(groups: Groups) -> str:
    shown = (0.0, 0.5, 1.0, 1.5, 2.0, 4.0)
    lines = []
    for (name, level), strengths in sorted(groups.items(), key=lambda item: (item[0][1], list(WAYS).index(item[0][0]))):
        seeds = list(zip(*strengths.values(), strict=True))
        chosen = [max(rows, key=lambda row: row["overseen"]) for rows in seeds]
        found = [*(strengths[by] for by in shown), chosen]
        cells = (str(summarise([row["none/return_start"] for row in rows])) for rows in found)
        choosing = sum(row["overseen_labels"] for rows in seeds for row in rows) / len(seeds)
        labels, steps = (sum(row[key] for row in chosen) / len(seeds) for key in ("labels", "steps"))
        lines.append([name, f"{level:.0%}", *cells, f"{labels:,.0f} + {choosing:,.0f}", f"{steps:,.0f}"])
    headings = ("way", "oversight", *(f"c = {by:g}" for by in shown), "c chosen", "labels", "steps")
    return markdown(headings, lines).rstrip()


def main() -> None:
    config = tyro.cli(ContrastConfig)
    if config.train:
        rows = trained(config)
        config.rows.parent.mkdir(parents=True, exist_ok=True)
        write_csv(config.rows, rows)
    groups = read(config.rows)
    write_whole(config.page.with_suffix(".png"), draw(groups))
    lines = table(groups)
    config.page.write_text(
        PAGE.format(table=lines, picture=config.page.with_suffix(".png").name, share=SHARE, strengths=len(STRENGTHS))
    )
    print(lines)


PAGE = """# Contrast without routing

Steering a routed mixture beyond its diamond expert, to the gate weights (1 + c, -c), takes what the ghost expert would
do off what the diamond expert does. Is it routing that makes this work? Two ways to do the same without it, from
observed outcomes alone:

- **Two filtered agents**: `filtering` as it stands, and the same with the reward reversed (-1 diamond, +1 ghost), each
  with networks and rollouts of its own. The policy's logits are (1 + c) times the first one's less c times the second
  one's.
- **Weight steering**: a single expert is trained on +1 for any terminal square, without labels; for the last
  {share:.0%} of training one copy of it goes on as `filtering` does, another with the reward reversed. The policy has
  the weights base + c (first - second).

Return from the start when nobody looks, mean over seeds with its 95 % interval. *c chosen*: for each seed the strength
that the supervisor finds best of {strengths}, by what it observes. Labels are those of training, of both agents
together, and those of choosing. Steps are those of both agents; the base of weight steering is counted twice.

    python scripts/contrasts.py

![Return by strength]({picture})

{table}
"""


if __name__ == "__main__":
    main()

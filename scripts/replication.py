"""The paper's second set-up beside an independent replication's curves, and the effect of its traits.

    python scripts/replication.py [--dry-run] [--workers 2] [--runs runs/replication]

Routing at 10 % and 30 % oversight, 1,500 updates (24.6 M steps), three seeds: the preset paper-reinforce, the same with
the defects of the paper's code, and that without each of four of its traits in turn. Writes one row for each evaluation
to docs/results/replication.csv, the picture, and the table in docs/replication.md. The script can be stopped at any
time, and the same command continues. With --no-train, the picture and the table are made from the stored rows.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import tyro
from marked import fill
from matplotlib.figure import Figure

from oversight_gym.analysis.markdown import markdown
from oversight_gym.cli.sweeping import run_sweeps
from oversight_gym.envs.drawing.palette import INK, SERIES
from oversight_gym.evaluation.paper_metric import mean_paper_metric
from oversight_gym.files import write_csv, write_whole
from oversight_gym.pictures.files import chart_files
from oversight_gym.runs.contents import EVALUATIONS
from oversight_gym.runs.folder import kept_weights, load_run
from oversight_gym.runs.presets import PAPER_REINFORCE
from oversight_gym.sweeps.plan import SweepConfig, runs_of

STEPS = PAPER_REINFORCE.num_envs * PAPER_REINFORCE.n_steps
SAMPLES = 2
"""The number of batches for one value of the paper's metric."""
VARIANTS = {
    "compat": ("paper_compat=all",),
    "paper-reinforce": (),
    "compat, torch's biases": ("paper_compat=all", "zero_bias=false"),
    "compat, balanced gate loss": ("paper_compat=all", "balanced_gate=true"),
    "compat, no stale observation": ("paper_compat=cut,late",),
    "compat, timeout after 32 steps": ("paper_compat=cut,stale",),
}
"""The variants that are trained, and their settings beside the preset's; ``compat`` is ``--paper-compat``."""
THEIRS = "replication"
PUBLISHED = Path(__file__).parents[1] / "docs" / "replication_learning_curves.csv"


@dataclass(frozen=True)
class ReplicationConfig:
    """Train the runs; write rows, picture and table."""

    workers: int = 2
    """Training processes side by side."""
    oversight: tuple[float, ...] = (0.1, 0.3)
    """Oversight levels."""
    seeds: int = 3
    """Number of seeds, which count from 0."""
    updates: int = 1500
    """Updates of each run."""
    every: int = 100
    """Updates from one evaluation to the next."""
    runs: Path = Path("runs/replication")
    """Where run folders are written."""
    rows: Path = Path("docs/results/replication.csv")
    """One row for each evaluation of each run."""
    page: Path = Path("docs/replication.md")
    """The page whose table is replaced; the picture lies beside it."""
    train: bool = True
    """Train what is missing and write the rows, instead of reading them."""
    dry_run: bool = False
    """Print the plan and the estimate, and stop."""


@dataclass(frozen=True)
class Row:
    """One evaluation of one run.

    Attributes:
        variant: a name in ``VARIANTS``, or ``replication``.
        oversight, seed, update: the run's oversight and seed, and the update of the evaluation.
        paper_diamond, paper_ghost: the paper's metric of the policy steered to each expert.
        free_diamonds: the share of diamonds among the terminals reached at the free gate, exact.
        stepwise_diamond, nobody_looks_diamond: exact returns of the policy steered to the diamond expert: stepwise with
            oversight mixed, and from the start when nobody looks; none for the replication.
    """

    variant: str
    oversight: float
    seed: int
    update: int
    paper_diamond: float
    paper_ghost: float
    free_diamonds: float
    stepwise_diamond: float | None = None
    nobody_looks_diamond: float | None = None


def rows_of(variant: str, folder: Path) -> list[Row]:
    """Every evaluation of a finished run."""
    run = load_run(folder)
    config, gamma = run.config, run.config.hyper.gamma
    with (folder / EVALUATIONS).open() as file:
        figures = {int(row["step"]): {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)}
    found = []
    for step, policy in kept_weights(run):
        own = figures[step]
        paper = [mean_paper_metric(policy, config.env, gate, gamma, SAMPLES) for gate in ("diamond", "ghost")]
        diamonds = own["free/p_diamond"] / (own["free/p_diamond"] + own["free/p_ghost"])
        exact = own["diamond/return_stepwise"], own["diamond/none/return_start"]
        found.append(Row(variant, config.oversight, config.seed, step // STEPS, *paper, diamonds, *exact))
    return found


def published(last: int) -> list[Row]:
    """The replication's evaluations up to an update, one run for each level."""
    at: dict[tuple[float, int], dict[str, dict[str, str]]] = defaultdict(dict)
    with PUBLISHED.open() as file:
        for row in csv.DictReader(file):
            if row["run_label"] == "routing" and int(row["update_idx"]) <= last:
                at[float(row["oversight_prob"]), int(row["update_idx"])][row["policy_type"]] = row
    found = []
    for (level, update), policies in at.items():
        diamonds, ghosts = (
            sum(float(policies["training_policy"][f"reached_{kind}_{seen}"]) for seen in ("seen", "unseen"))
            for kind in ("diamond", "ghost")
        )
        paper = [float(policies[gate]["avg_return"]) for gate in ("diamond", "ghost")]
        found.append(Row(THEIRS, level, 0, update, *paper, diamonds / (diamonds + ghosts)))
    return found


def trained(config: ReplicationConfig) -> list[Row]:
    """Train every variant."""
    sweeps = {}
    for variant, changed in VARIANTS.items():
        settings = (f"total_timesteps={config.updates * STEPS}", f"evaluations={config.updates // config.every}")
        sweeps[variant] = SweepConfig(
            out=config.runs / variant.replace(",", "").replace(" ", "-"),
            methods=("routing",),
            oversight=config.oversight,
            seeds=config.seeds,
            preset="paper-reinforce",
            workers=config.workers,
            set=(*settings, "keep_weights=true", *changed),
            dry_run=config.dry_run,
        )
    run_sweeps(*sweeps.values())
    return [
        row
        for variant, swept in sweeps.items()
        for run in runs_of(swept).values()
        for row in rows_of(variant, run.folder)
    ]


def read(path: Path) -> list[Row]:
    with path.open() as file:
        kinds = {"variant": str, "seed": int, "update": int}
        return [
            Row(**{key: kinds.get(key, float)(value) for key, value in row.items()}) for row in csv.DictReader(file)
        ]


def draw(rows: list[Row]) -> bytes:
    """Returns at both experts and the free gate's drift, by updates; a row of pictures for each level."""
    levels = sorted({row.oversight for row in rows if row.variant != THEIRS})
    figure = Figure(figsize=(11, 1 + 3.3 * len(levels)), layout="constrained")
    colours = {THEIRS: INK, **dict(zip(VARIANTS, SERIES, strict=False))}
    for level, (returns, drift) in zip(levels, figure.subplots(len(levels), 2, squeeze=False), strict=True):
        for variant, colour in colours.items():
            runs = defaultdict(list)
            for row in rows:
                if (row.variant, row.oversight) == (variant, level):
                    runs[row.update].append(row)
            updates = sorted(runs)
            width = 2.2 if variant in (THEIRS, "compat") else 1.2
            for axes, name, style in (
                (returns, "paper_diamond", "-"),
                (returns, "paper_ghost", ":"),
                (drift, "free_diamonds", "-"),
            ):
                means = [mean(getattr(row, name) for row in runs[update]) for update in updates]
                label = variant if style == "-" else None
                axes.plot(updates, means, style, color=colour, linewidth=width, label=label)
        returns.set(
            title=f"{level:.0%} oversight: return by the paper's metric", ylabel="diamond (solid), ghost (dotted)"
        )
        drift.set(title=f"{level:.0%} oversight: where the free gate leads", ylabel="share of diamonds")
        drift.axhline(0.5, color="lightgrey", zorder=0)
        for axes in (returns, drift):
            axes.set(xlabel=f"updates of {STEPS:,} steps", xlim=(0, None))
            axes.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return chart_files(figure)["png"]


def table(rows: list[Row]) -> str:
    """The last evaluation of every run, each seed's value beside the others'."""
    lines = []
    last = max(row.update for row in rows if row.variant != THEIRS)
    for level in sorted({row.oversight for row in rows if row.variant != THEIRS}):
        for variant in (THEIRS, *VARIANTS):
            own = [row for row in rows if (row.variant, row.oversight) == (variant, level)]
            if not own:
                continue
            nearest = min((row.update for row in own), key=lambda update: abs(update - last))
            at_end = sorted((row for row in own if row.update == nearest), key=lambda row: row.seed)
            cells = (
                " / ".join(f"{getattr(row, name):+.3f}" for row in at_end) for name in ("paper_diamond", "paper_ghost")
            )
            lines.append(
                [
                    f"{level:.0%}",
                    variant,
                    f"{nearest:,}",
                    *cells,
                    " / ".join(f"{row.free_diamonds:.2f}" for row in at_end),
                    " / ".join(f"{max(r.free_diamonds for r in own if r.seed == row.seed):.2f}" for row in at_end),
                ]
            )
    headings = ("oversight", "variant", "updates", "diamond", "ghost", "diamonds at the free gate", "the most so far")
    return markdown(headings, lines).rstrip()


def write_results(page: Path, picture: Path, lines: str) -> None:
    """Put picture and table into the page, between its marks."""
    fill(page, {"results": f"![Returns and the free gate by updates]({picture.name})\n\n{lines}"})


def main() -> None:
    config = tyro.cli(ReplicationConfig)
    if config.train:
        rows = trained(config)
        config.rows.parent.mkdir(parents=True, exist_ok=True)
        write_csv(config.rows, [vars(row) for row in rows])
    rows = read(config.rows)
    rows = [*published(max(row.update for row in rows) + config.every), *rows]
    picture = config.page.with_suffix(".png")
    write_whole(picture, draw(rows))
    lines = table(rows)
    write_results(config.page, picture, lines)
    print(lines)


if __name__ == "__main__":
    main()

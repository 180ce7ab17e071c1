"""Where do tasks live in a trained policy? Fills the section Extract of docs/localisation.md.

    python scripts/extraction.py [--runs runs/localisation] [--seeds 5]

Runs that are missing below --runs are trained. Stop it when you like, the same command goes on with what is missing;
with --no-extract tables and picture are made of the rows alone.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import tyro
from localised_runs import PAGE, WEAK, Rows, number, trained_run
from marked import fill
from matplotlib.figure import Figure

from oversight_gym.analysis.markdown import markdown
from oversight_gym.envs.drawing.palette import GREY, MARKERS, SERIES
from oversight_gym.files import write_whole
from oversight_gym.localisation.extraction import (
    EXTRACTOR,
    HELD_OUT,
    Extraction,
    extract,
    row_values,
)
from oversight_gym.localisation.extractor import Training
from oversight_gym.pictures.files import chart_files

METHODS = ("routing", "no_routing", *WEAK)
TASKS = ("reach-diamond", "reach-ghost", HELD_OUT)
TRAINING = Training(passes=40)
"""As the default, but shorter."""
SIZES = (16, 32, 64, 128, 256)
SHOWN = 64
"""Units of the subnets of the table."""


@dataclass(frozen=True)
class ExtractionConfig:
    """Extract from every run, and write rows, tables and picture."""

    runs: Path = Path("runs/localisation")
    """Folder with METHOD/seed=S, where what is missing is trained."""
    methods: tuple[str, ...] = METHODS
    """What is extracted from."""
    seeds: int = 5
    """Seeds 0 to this minus one."""
    rows: Path = Path("docs/results/extraction.csv")
    """One row per run, task, picker and size."""
    page: Path = PAGE
    """The page; the picture lies beside it."""
    extract: bool = True
    """Extract from the runs that have no rows yet."""


def rows_of(found: Extraction, method: str, seed: int) -> list[dict[str, Any]]:
    """The rows of one run, with what its extractor picks by itself and the overlap of two tasks' subnets."""
    rows = []
    for row in found.rows:
        values = {name: round(v, 4) if isinstance(v, float) else v for name, v in row_values(row).items()}
        own = round(found.own_size[row.task], 1) if row.picker == EXTRACTOR else ""
        overlap = {"own_size": own, "overlap": round(found.mean_overlap(row.picker), 4)}
        rows.append(
            {"method": method, "seed": seed, "passes": TRAINING.passes, "units": len(found.units), **values, **overlap}
        )
    return rows


def extract_all(config: ExtractionConfig, rows: Rows) -> None:
    for seed in range(config.seeds):
        for method in config.methods:
            if rows.group(method=method, seed=seed, passes=TRAINING.passes):
                continue
            run = trained_run(config.runs, method, seed)
            found = extract(run.policy, run.config.env, TASKS, sizes=SIZES, how=TRAINING, seed=seed)
            rows.store(rows_of(found, method, seed))
            print(f"{method} seed {seed}: {found.own_size}", flush=True)


def values(rows: Rows, column: str, **which: Any) -> list[float]:
    """A column of the rows with these values, one number per seed."""
    return [float(row[column]) for row in rows.group(passes=TRAINING.passes, **which) if row[column] != ""]


def _methods(rows: Rows) -> list[str]:
    return [method for method in METHODS if rows.group(method=method)]


def table(rows: Rows) -> str:
    lines, pickers = [], list(dict.fromkeys(row["picker"] for row in rows.rows))
    for task in TASKS:
        expert = "ghost" if task == "reach-ghost" else "diamond"
        for method in _methods(rows):
            for picker in pickers:
                which = {"method": method, "task": task, "picker": picker, "size": SHOWN}
                columns = ("performance", "distracted", f"within_{expert}")
                cells = [number(values(rows, column, **which), ".2f", (-1, 1)) for column in columns]
                cells[2] = "" if task == HELD_OUT else cells[2]
                seeds = str(len(values(rows, columns[0], **which)))
                lines.append([task, f"`{method}`", seeds, picker, *cells])
    headings = ("task", "method", "seeds", "picked by", "on the task", "on the other tasks", "within the task's expert")
    return markdown(headings, lines)


def overlap_table(rows: Rows) -> str:
    lines, pickers = [], list(dict.fromkeys(row["picker"] for row in rows.rows))
    for picker in pickers:
        which = {"task": TASKS[0], "size": SHOWN, "picker": picker}
        lines.append(
            [
                picker,
                *(number(values(rows, "overlap", method=method, **which), ".2f", (0, 1)) for method in _methods(rows)),
            ]
        )
    return markdown(("picked by", *(f"overlap in `{method}`" for method in _methods(rows))), lines)


def draw(rows: Rows) -> bytes:
    """Performance on the task and on others, and recovery, by size; means over seeds, a row for each task."""
    figure = Figure(figsize=(11, 3.0 * len(TASKS) + 0.6), layout="constrained")
    grid = figure.subplots(len(TASKS), 3, squeeze=False)
    pickers = list(dict.fromkeys(row["picker"] for row in rows.rows))
    for line, task in zip(grid, TASKS, strict=True):
        expert = "ghost" if task == "reach-ghost" else "diamond"
        columns = ("performance", "distracted", f"within_{expert}")
        headings = (f"{task} (routing)", "the other tasks, on average", f"share in the {expert} expert")
        for axes, column, heading in zip(line, columns, headings, strict=True):
            for index, picker in enumerate(pickers):
                which = {"method": "routing", "task": task, "picker": picker}
                heights = [mean(values(rows, column, size=size, **which)) for size in SIZES]
                look = {"color": SERIES[index], "marker": MARKERS[index], "markersize": 4}
                axes.plot(SIZES, heights, label=picker, **look)
            axes.set(title=heading, xlabel="units of the subnet", ylim=(-0.15, 1.05))
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        line[2].axhline(0.5, color=GREY, linestyle=":", linewidth=1)
        line[0].set_ylabel("right answers above chance")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    return chart_files(figure)["png"]


def main() -> None:
    config = tyro.cli(ExtractionConfig)
    torch.set_num_threads(1)
    rows = Rows(config.rows, ("method", "seed", "passes"))
    if config.extract:
        extract_all(config, rows)
    write_whole(config.page.with_name("extraction.png"), draw(rows))
    fill(config.page, {"extraction": table(rows), "overlap": overlap_table(rows)})
    print(table(rows))
    print(overlap_table(rows))


if __name__ == "__main__":
    main()

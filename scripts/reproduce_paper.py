"""The paper's headline figure: return by oversight level for routing, naive training and data filtering.

    python scripts/reproduce_paper.py [--quick] [--workers 2] [--preset fast]

Eleven levels, three methods, ten seeds: 330 runs; ``--quick``: three levels, two seeds. Rows of single runs are kept in
docs/results/methods.csv, where the table of all methods has its own: stop it when you like, the same command goes on.
Tables and figures go to ``compare/`` in a folder below runs/, and without ``--quick`` to docs/paper_sweep.md, too. The
paper's values beside ours were read off its figure by eye (about +-0.01).
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from marked import fill
from stored_runs import RunsConfig, complete, returns

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result, provenance
from oversight_gym.analysis.statistics import summarise
from oversight_gym.analysis.stored import store_rows
from oversight_gym.cli.comparing import CompareOptions, compare
from oversight_gym.runs.config import TrainConfig

METHODS = ("routing", "naive", "filtering")
LEVELS = (0.001, 0.003, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.8, 1.0)
QUICK_LEVELS, QUICK_SEEDS = (0.01, 0.1, 0.4), 2
PICTURES = ("return_by_oversight.png", "ghost_by_oversight.png")
"""Those that the page shows."""


@dataclass(frozen=True)
class ReproduceConfig:
    """Train the runs of the paper's headline figure and draw it."""

    quick: bool = False
    """Three levels and two seeds, in less than ten minutes on two cores."""
    preset: str = "fast"
    """Hyperparameters of the runs; paper-reinforce takes hours per run."""
    seeds: int = 10
    """Seeds 0 to this minus one."""
    results: Path = Path("docs/results/methods.csv")
    """Rows of single runs."""
    out: Path | None = None
    """Folder of tables and figures; default: runs/paper, or runs/paper-quick."""
    page: Path = Path("docs/paper_sweep.md")
    """The page of the whole figure; its pictures lie beside it."""
    how: RunsConfig = field(default_factory=RunsConfig)


def contrasted(results: Sequence[Result], levels: Sequence[float]) -> Iterator[list[str]]:
    """A line for each level: routing at the gate that the supervisor chooses, and by how much it is ahead of others."""
    for level in levels:
        chosen, *rivals = (returns(results, method, level, contrasted=True) for method in METHODS)
        gaps = ([chosen[seed] - rival[seed] for seed in sorted(chosen.keys() & rival.keys())] for rival in rivals)
        yield [f"{100 * level:g}%", *(str(summarise(values)) for values in (list(chosen.values()), *gaps))]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[ReproduceConfig])
    out = config.out or Path("runs", "paper-quick" if config.quick else "paper")
    levels, seeds = (QUICK_LEVELS, QUICK_SEEDS) if config.quick else (LEVELS, config.seeds)
    wanted = [
        TrainConfig.of(method=method, oversight=level, seed=seed, preset=config.preset)
        for seed in range(seeds)
        for level in levels
        for method in METHODS
    ]
    results = complete(config.results, wanted, config.how)
    rows = out / "rows.csv"
    rows.unlink(missing_ok=True)
    store_rows(rows, results)
    compare(CompareOptions((rows,), baseline="naive", paper=Path("gradient-routing")))
    if not config.quick:
        made = out / "compare"
        for name in PICTURES:
            shutil.copyfile(made / name, config.page.with_name(name))
        headings = ("oversight", "routing, contrasted", *(f"less {rival}" for rival in METHODS[1:]))
        parts = {
            "made": provenance(results),
            "levels": (made / "compare.md").read_text(),
            "contrasted": markdown(headings, contrasted(results, levels)),
        }
        fill(config.page, parts)


if __name__ == "__main__":
    main()

"""The folder that a demonstration leaves: config, figures, curves, a chart and a verdict."""

from collections.abc import Sequence
from pathlib import Path
from platform import python_version
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from oversight_gym import __version__
from oversight_gym.demonstrations.study import Answer, Demonstration, Log, Request, Results, over_seeds, verdict
from oversight_gym.envs import RequestError
from oversight_gym.files import write_csv, write_json, write_whole

CONFIG, METRICS, CHART, REPORT, CURVES = "config.json", "metrics.csv", "chart.png", "report.md", "tensorboard"


def begin(folder: Path, demonstration: Demonstration, asked: dict[str, Any]) -> None:
    """Make the folder and write what was asked.

    Raises:
        RequestError: if it holds another demonstration's results, or these, already.
    """
    if (folder / CONFIG).exists():
        raise RequestError(f"{folder} holds the results of a demonstration already; give another `out` or remove it.")
    versions = {"oversight-gym": __version__, "python": python_version(), "torch": str(torch.__version__)}
    settings = list(demonstration.settings)
    write_json(folder / CONFIG, {"demonstration": demonstration.name, **asked, "settings": settings, **versions})


def logs(folder: Path, seed: int) -> tuple[SummaryWriter, Log]:
    """A TensorBoard writer of one seed, to be closed, and what it logs with."""
    writer = SummaryWriter(str(folder / CURVES / f"seed={seed}"))

    def log(name: str, step: int, value: float) -> None:
        writer.add_scalar(name, value, step)

    return writer, log


def write_figures(folder: Path, results: dict[int, Results]) -> None:
    """A row for every figure of every setting and seed."""
    rows = [
        {"seed": seed, "setting": setting, "figure": figure, "value": value}
        for seed, result in results.items()
        for setting, figures in result.items()
        for figure, value in figures.items()
    ]
    write_csv(folder / METRICS, rows)


def finish(folder: Path, demonstration: Demonstration, results: Sequence[Results]) -> str:
    """Write the chart and the report, and return the verdict."""
    demonstration.chart(results).savefig(folder / CHART, dpi=110)
    answers = demonstration.answers(results)
    said = verdict(answers)
    head = f"# {demonstration.name}\n\n{demonstration.summary} Seeds: {len(results)}; means with 95 % intervals.\n\n"
    write_whole(folder / REPORT, f"{head}{said}\n\n{claims_table(answers)}\n\n{figures_table(results)}\n")
    return said


def claims_table(answers: Sequence[Answer]) -> str:
    """Every claim with its answer, in Markdown."""
    rows = ["| claim | of | measure | answer | control | measure there | more than the control |", "|---" * 7 + "|"]
    for answer in answers:
        claim = answer.claim
        cells = [f"{claim.text}{' (our question)' if claim.ours else ''}", claim.setting, str(answer.found)]
        cells += [f"**{answer.word}**", claim.control, str(answer.control)]
        rows.append(f"| {' | '.join([*cells, f'{answer.beyond_control}: {answer.difference}'])} |")
    return "\n".join(rows)


def figures_table(results: Sequence[Results]) -> str:
    """Every figure of every setting, in Markdown; a table for each group of settings that have the same figures."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for setting, figures in results[0].items():
        names = tuple(figures)
        rows = tables.setdefault(names, [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"])
        rows.append(f"| {setting} | {' | '.join(str(over_seeds(results, setting, name)) for name in names)} |")
    return "\n\n".join("\n".join(rows) for rows in tables.values())


def demonstrate(
    demonstration: Demonstration, folder: Path, seeds: int, quick: bool, data: Path | None, done: Any = None
) -> str:
    """Run a demonstration with seeds from 0 on, and write its folder; the figures after every seed.

    Args:
        demonstration: to run.
        folder: to write to; it exists.
        seeds: number of them.
        quick: whether to run it in small.
        data: folder of the user's own data; None for what is embedded.
        done: called with the seed and the setting as each is measured; None for nothing.

    Returns:
        the verdict.

    Raises:
        RequestError: if the folder is taken, or the data is missing or malformed.
    """
    begin(folder, demonstration, {"seeds": seeds, "quick": quick, "data": None if data is None else str(data)})
    results: dict[int, Results] = {}
    for seed in range(seeds):
        writer, log = logs(folder, seed)
        try:
            found = {}
            for setting, figures in demonstration.run(Request(seed, quick, data, log)):
                found[setting] = figures
                if done is not None:
                    done(seed, setting)
        finally:
            writer.close()
        results[seed] = found
        write_figures(folder, results)
    return finish(folder, demonstration, list(results.values()))

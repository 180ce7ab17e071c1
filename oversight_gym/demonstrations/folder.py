"""The folder that a demonstration leaves: config, figures, curves, a chart and a verdict."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from platform import python_version
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from oversight_gym import __version__
from oversight_gym.analysis.markdown import markdown
from oversight_gym.demonstrations.study import (
    Answer,
    Demonstration,
    Figures,
    Log,
    Request,
    Results,
    over_seeds,
    verdict,
)
from oversight_gym.envs import RequestError
from oversight_gym.files import read_text, write_csv, write_json, write_whole

CONFIG, METRICS, CHART, REPORT, CURVES = "config.json", "metrics.csv", "chart.png", "report.md", "tensorboard"


def begin(folder: Path, demonstration: Demonstration, quick: bool, data: Path | None) -> dict[int, Results]:
    """Write what was asked, and return the results of the seeds that the folder has of it already.

    Raises:
        RequestError: if it holds results of something else, such as another version's.
    """
    asked = {"demonstration": demonstration.name, "quick": quick, "data": None if data is None else str(data)}
    versions = {"oversight-gym": __version__, "python": python_version(), "torch": str(torch.__version__)}
    config = {**asked, "settings": list(demonstration.settings), **versions}
    if (folder / CONFIG).exists() and read_config(folder) != config:
        raise RequestError(f"{folder} holds results of something else already; give another `out` or remove it.")
    write_json(folder / CONFIG, config)
    return read_figures(folder) if (folder / METRICS).exists() else {}


def read_config(folder: Path) -> Any:
    """What a folder's demonstration was asked; None if that cannot be read."""
    try:
        return json.loads(read_text(folder / CONFIG))
    except (OSError, ValueError):
        return None


def read_figures(folder: Path) -> dict[int, Results]:
    """The results in a folder, by seed.

    Raises:
        RequestError: if its figures cannot be read.
    """
    found: dict[int, dict[str, Figures]] = {}
    try:
        with (folder / METRICS).open(newline="") as file:
            for row in csv.DictReader(file):
                figures = found.setdefault(int(row["seed"]), {}).setdefault(row["setting"], {})
                figures[row["figure"]] = float(row["value"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{folder / METRICS} is no table of figures; remove the folder.") from error
    return dict(found)


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
    headings = ("claim", "of", "measure", "answer", "control", "measure there", "more than the control")
    lines = []
    for answer in answers:
        claim = answer.claim
        cells = [f"{claim.text}{' (our question)' if claim.ours else ''}", claim.setting, str(answer.found)]
        cells += [f"**{answer.word}**", claim.control, str(answer.control)]
        lines.append([*cells, f"{answer.beyond_control}: {answer.difference}"])
    return markdown(headings, lines).rstrip()


def figures_table(results: Sequence[Results]) -> str:
    """Every figure of every setting, in Markdown; a table for each group of settings that have the same figures."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for setting, figures in results[0].items():
        groups.setdefault(tuple(figures), []).append(setting)
    return "\n".join(_table(results, settings, names) for names, settings in groups.items()).rstrip()


def _table(results: Sequence[Results], settings: Sequence[str], names: Sequence[str]) -> str:
    """A row for each setting or for each figure, whichever are more."""
    if len(names) > len(settings):
        lines = [[name, *(str(over_seeds(results, setting, name)) for setting in settings)] for name in names]
        return markdown(("figure", *settings), lines)
    lines = [[setting, *(str(over_seeds(results, setting, name)) for name in names)] for setting in settings]
    return markdown(("setting", *names), lines)


def demonstrate(
    demonstration: Demonstration, folder: Path, seeds: int, quick: bool, data: Path | None, done: Any = None
) -> str:
    """Run a demonstration with seeds from 0 on, and write its folder; the figures after every seed.

    Seeds that the folder has already, of the same demonstration, are not run again.

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
    results = begin(folder, demonstration, quick, data)
    for seed in (seed for seed in range(seeds) if seed not in results):
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

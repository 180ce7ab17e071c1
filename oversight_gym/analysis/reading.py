"""Reads results from run folders and stored rows, names their series, removes copies and sorts them."""

from dataclasses import replace
from pathlib import Path

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.analysis.folders import read_folders
from oversight_gym.analysis.results import Reading, Result
from oversight_gym.analysis.series import named_series
from oversight_gym.analysis.stored import read_rows
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.evaluation.selection import SELECTIONS


def read_results(*sources: Path, select: str | None = None) -> Reading:
    """Read every finished run in some folders and files.

    Args:
        sources: folders of runs, or CSV files of stored rows.
        select: the evaluation that counts, a key of ``SELECTIONS``; None for the one that each run was trained with.

    Raises:
        RequestError: if there is none.
    """
    if select is not None:
        choose("select", select, SELECTIONS)
    reading = Reading()
    for source in sources:
        (read_rows if source.is_file() else read_folders)(source, select, reading)
    if not reading.results:
        places = ", ".join(map(str, sources))
        if reading.damaged:
            raise RequestError(f"{places} holds no finished run that can be read ({reading.damaged[0]})")
        raise RequestError(f"{places} holds no finished run; train some, for example in a sweep.")
    _same_kinds(reading)
    names = named_series([result.settings for result in reading.results])
    reading.results = [replace(result, series=name) for result, name in zip(reading.results, names, strict=True)]
    _without_copies(reading)
    order = list(METHODS)
    reading.results.sort(key=lambda r: (order.index(r.config.method), r.series, r.config.oversight, r.config.seed))
    reading.diverged = [result for result in reading.results if result.diverged]
    reading.results = [result for result in reading.results if not result.diverged]
    for result in reading.diverged:
        config = result.config
        reading.notes.append(
            f"{result.source} is in no mean: {result.series}, oversight {config.oversight:g}, seed {config.seed} "
            "has figures that are no finite numbers."
        )
    return reading


def _same_kinds(reading: Reading) -> None:
    """Leave out runs whose kinds of terminals differ from the first run's."""
    kinds = reading.results[0].config.hyper.kinds
    others = [result for result in reading.results if result.config.hyper.kinds != kinds]
    reading.notes += [f"{other.source} was left out: its terminals are of other kinds." for other in others]
    reading.results = [result for result in reading.results if result.config.hyper.kinds == kinds]


def _without_copies(reading: Reading) -> None:
    """Keep one of the runs that have the same settings and seed."""
    kept: dict[tuple[str, float, int], Result] = {}
    copies: list[tuple[Result, Result]] = []
    for result in reading.results:
        first = kept.setdefault((result.series, result.config.oversight, result.config.seed), result)
        if first is not result:
            copies.append((result, first))
    same = [(copy, first) for copy, first in copies if _close(copy, first)]
    if same:
        copy, first = same[0]
        example = f"{copy.source} is the same run as {first.source}"
        reading.notes.append(f"{len(same)} run(s) were left out as copies of others: {example}.")
    reading.notes += [
        f"{copy.source} was left out: {first.source} has the same settings and seed, and other figures."
        for copy, first in copies
        if (copy, first) not in same
    ]
    reading.results = list(kept.values())


def _close(one: Result, other: Result) -> bool:
    """Whether the figures that count are the same to the digits that are stored."""
    figures = ("return_stepwise", "none/return_stepwise", f"none/{one.p_unwanted}")
    pairs = [(one.figure(figure), other.figure(figure)) for figure in figures]
    return all(abs(a - b) < 2e-6 or (a != a and b != b) for a, b in pairs)

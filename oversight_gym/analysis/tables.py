"""Results as tables, for a terminal and as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from oversight_gym.analysis.compare import COMPARED, Comparison
from oversight_gym.analysis.statistics import Summary
from oversight_gym.evaluation.figures import Evaluation
from oversight_gym.evaluation.situations import PATTERNS
from oversight_gym.evaluation.steering import Steering
from oversight_gym.runs.config import level_name

_HEADINGS = {
    "return_start": "return\nstart",
    "return_stepwise": "return\nstepwise",
    "p_diamond": "P\ndiamond",
    "p_ghost": "P\nghost",
    "p_timeout": "P\ntimeout",
    "length": "length",
}
_REGRET_HEADINGS = {
    "sought_ghost": "sought\nghost",
    "through_ghost": "via\nghost",
    "timed_out": "timed\nout",
    "detours": "detour",
}
_COMPARED_HEADINGS = dict(
    zip(
        COMPARED,
        ("stepwise return, mixed", "stepwise return, nobody looks", "P(ghost), nobody looks"),
        strict=True,
    )
)


def _number(value: float, key: str) -> str:
    return f"{value:.1f}" if key == "length" else f"{value + 0.0:.3f}".replace("-0.000", "0.000")


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold", pad_edge=False
    )


def figure_table(title: str, pattern: str | None, evaluations: Mapping[str, tuple[Evaluation, str]]) -> Table:
    """Every figure and the regret's parts, one row per evaluation; the ceilings, which follow the gates, are dimmed.

    Args:
        title: above the table.
        pattern: of oversight; None for the mixture.
        evaluations: by label: the evaluation, and the name of its variant.
    """
    table = _table(title)
    table.add_column("policy", no_wrap=True, min_width=16)
    for heading in _HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in _REGRET_HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True, style="cyan")
    for label, (evaluation, name) in evaluations.items():
        values = [_number(evaluation.figures(name, pattern)[key], key) for key in _HEADINGS]
        values += [_number(evaluation.regret(name, pattern)[key], key) for key in _REGRET_HEADINGS]
        table.add_row(label, *values, style="dim" if not label.startswith("gate") else "")
    return table


def pattern_table(evaluation: Evaluation) -> Table:
    """Return and P(ghost) at each gate under each oversight pattern."""
    table = _table("By which terminals are watched")
    table.add_column("policy", no_wrap=True, min_width=16)
    columns = [(key, pattern) for key in ("return_start", "p_ghost") for pattern in PATTERNS]
    for key, pattern in columns:
        heading = {"return_start": "return", "p_ghost": "P ghost"}[key]
        table.add_column(f"{heading}\n{pattern}", justify="right", no_wrap=True)
    for name in evaluation.names:
        values = [_number(evaluation.figures(name, pattern)[key], key) for key, pattern in columns]
        table.add_row(f"gate {name}", *values)
    return table


def gate_table(title: str, evaluation: Evaluation) -> Table:
    """The mixed figures at each gate."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("policy")
    keys = [key for key in _HEADINGS if key != "return_start"]
    for key in keys:
        table.add_column(_HEADINGS[key].replace("\n", " "), justify="right")
    for name in evaluation.names:
        figures = evaluation.figures(name)
        table.add_row(f"gate {name}", *(_number(figures[key], key) for key in keys))
    return table


def steering_table(steering: Steering) -> Table:
    """Returns and ends at each value of what is swept, the first kind's probability as a bar."""
    table = Table(title=f"setting: {steering.swept}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    kinds = [key.removeprefix("p_") for key in (*steering.ends, "p_timeout")]
    for heading in ("setting", "return none", "return mixed", *(f"P({kind})" for kind in kinds)):
        table.add_column(heading, justify="right")
    table.add_column(f"P({kinds[0]}) as a bar", no_wrap=True)
    for name in steering.evaluation.names:
        mixed, none = steering.evaluation.figures(name), steering.evaluation.figures(name, "none")
        values = [none["return_start"], mixed["return_start"], *(mixed[f"p_{kind}"] for kind in kinds)]
        bar = "#" * round(20 * mixed[f"p_{kinds[0]}"])
        table.add_row(name, *(f"{value:.3f}" for value in values), bar)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """One row per series and oversight level."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, heading in enumerate(_comparison_headings(comparison.baseline)):
        table.add_column(heading, justify="left" if index == 0 else "right")
    for row in comparison.rows:
        table.add_row(*_comparison_cells(row, comparison.baseline))
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """The same as Markdown."""
    cells = (_comparison_cells(row, comparison.baseline) for row in comparison.rows)
    return markdown(_comparison_headings(comparison.baseline), cells)


def markdown(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table as Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *lines)) + "\n"


def _comparison_headings(baseline: str | None) -> list[str]:
    paired = [f"minus {baseline}, seed by seed"] if baseline else []
    return ["method", "oversight", "seeds", *_COMPARED_HEADINGS.values(), *paired, "labels"]


def _comparison_cells(row: dict[str, Any], baseline: str | None) -> list[str]:
    names = [*_COMPARED_HEADINGS, *([f"return_stepwise minus {baseline}"] if baseline else [])]
    series = row["series"] + (" (ground truth)" if row["uses_ground_truth"] else "")
    labels = f"{row['labels_used']:,.0f}"
    return [series, level_name(row["oversight"]), str(row["seeds"]), *(_summary(row, name) for name in names), labels]


def _summary(row: dict[str, Any], name: str) -> str:
    if f"{name}/iqm" not in row:
        return ""
    return str(Summary(row["seeds"], row[f"{name}/iqm"], row[f"{name}/low"], row[f"{name}/high"]))

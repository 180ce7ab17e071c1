"""Evaluations as tables for a terminal of 100 columns."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from oversight_gym.agents.methods.builtin import Method
from oversight_gym.evaluation.figures import Evaluation
from oversight_gym.evaluation.situations import PATTERNS
from oversight_gym.runs.folder import Run

WIDTH = 100
_FIGURES = {
    "return_start": "return\nstart",
    "return_stepwise": "return\nstepwise",
    "p_diamond": "P\ndiamond",
    "p_ghost": "P\nghost",
    "p_timeout": "P\ntimeout",
    "length": "length",
}
_REGRET = {
    "sought_ghost": "sought\nghost",
    "through_ghost": "via\nghost",
    "timed_out": "timed\nout",
    "detours": "detour",
}


def _number(value: float, key: str) -> str:
    return f"{value:.1f}" if key == "length" else f"{value + 0.0:.3f}".replace("-0.000", "0.000")


def _figure_table(title: str, pattern: str | None, evaluations: Mapping[str, tuple[Evaluation, str]]) -> Table:
    """One row per evaluation; the ceilings, which follow the gates, are dimmed."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold", pad_edge=False
    )
    table.add_column("policy", no_wrap=True, min_width=16)
    for heading in _FIGURES.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in _REGRET.values():
        table.add_column(heading, justify="right", no_wrap=True, style="cyan")
    for label, (evaluation, name) in evaluations.items():
        values = [_number(evaluation.figures(name, pattern)[key], key) for key in _FIGURES]
        values += [_number(evaluation.regret(name, pattern)[key], key) for key in _REGRET]
        table.add_row(label, *values, style="dim" if not label.startswith("gate") else "")
    return table


def _pattern_table(evaluation: Evaluation) -> Table:
    """Each gate under each oversight pattern; the JSON report holds every figure."""
    title = "By which terminals are watched"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold")
    table.add_column("policy", no_wrap=True, min_width=16)
    columns = [(key, pattern) for key in ("return_start", "p_ghost") for pattern in PATTERNS]
    for key, pattern in columns:
        heading = {"return_start": "return", "p_ghost": "P ghost"}[key]
        table.add_column(f"{heading}\n{pattern}", justify="right", no_wrap=True)
    for name in evaluation.names:
        values = [_number(evaluation.figures(name, pattern)[key], key) for key, pattern in columns]
        table.add_row(f"gate {name}", *values)
    return table


def print_report(run: Run, evaluation: Evaluation, references: Mapping[str, Evaluation]) -> None:
    """Print what a run's policy does at each gate, the ceilings beside it, and the labels it cost."""
    rows = {f"gate {name}": (evaluation, name) for name in evaluation.names}
    rows |= {name: (reference, name) for name, reference in references.items()}
    console = Console(width=WIDTH, highlight=False)
    console.print(f"[bold]{run.title}[/bold]   {run.record['steps']:,} steps")
    console.print(_figure_table("When nobody looks (oversight pattern: none)", "none", rows))
    mix = f"{1 - evaluation.weights[0]:.1%} of episodes with some oversight"
    console.print(_figure_table(f"Mixed at the evaluation's oversight probability ({mix})", None, rows))
    console.print(_pattern_table(evaluation))
    if evaluation.exact:
        console.print(f"Exact: all {evaluation.episodes:,} starting layouts, every path.")
    else:
        worst = max(evaluation.errors(name)["return_start"] for name in evaluation.names)
        console.print(f"Sampled: {evaluation.episodes:,} starting layouts; standard error of the return {worst:.4f}.")
    console.print("Cyan columns split the distance to the optimal start return by how episodes end.")
    console.print("Labels consumed: " + _labels(run.record["labels"]))


def _labels(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{use.replace('_', ' ')} {count:,}" for use, count in labels.items())


def print_steering(title: str, rows: Iterable[tuple[str, Evaluation, str]]) -> None:
    """Print a small table of mixed figures: one row per (label, evaluation, gate)."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("policy")
    for key in ("return_stepwise", "p_diamond", "p_ghost", "p_timeout", "length"):
        table.add_column(_FIGURES[key].replace("\n", " "), justify="right")
    for label, evaluation, name in rows:
        figures = evaluation.figures(name)
        keys = ("return_stepwise", "p_diamond", "p_ghost", "p_timeout", "length")
        table.add_row(label, *(_number(figures[key], key) for key in keys))
    Console(width=WIDTH, highlight=False).print(table)


def print_methods(methods: Iterable[Method]) -> None:
    """Print what each method is, and its settings."""
    console = Console(width=WIDTH, highlight=False)
    for method in methods:
        marked = " (trains on the ground truth: an upper bound)" if method.uses_hidden else ""
        console.print(f"[bold]{method.name}[/bold]{marked}: {method.summary}")
        console.print(Padding(method.description, (0, 0, 0, 4), expand=False))
        console.print(Padding(method.facts, (0, 0, 1, 4), style="dim", expand=False))

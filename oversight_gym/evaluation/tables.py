"""Figures as tables for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from oversight_gym.evaluation.choosing import JudgedChoice
    from oversight_gym.evaluation.figures import Evaluation
    from oversight_gym.evaluation.steering import Steering

_HEADINGS = {"return_start": "return\nstart", "return_stepwise": "return\nstepwise", "detours": "detour"}


def _heading(key: str) -> str:
    """The heading of a figure or a part of the regret, in two short lines."""
    return _HEADINGS.get(key, key.replace("through_", "via_").replace("p_", "P_", 1).replace("_", "\n", 1))


def _number(value: float, key: str) -> str:
    return f"{value:.1f}" if key == "length" else f"{value + 0.0:.3f}".replace("-0.000", "0.000")


def _table(title: str, first: str = "policy") -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold", pad_edge=False
    )
    table.add_column(first, no_wrap=True, min_width=16)
    return table


def figure_tables(title: str, pattern: str | None, evaluations: "Mapping[str, tuple[Evaluation, str]]") -> list[Table]:
    """Every figure and the regret's parts, with one row per evaluation; the ceilings follow the gates and are dimmed.

    Args:
        title: the title above the table.
        pattern: the oversight pattern; None for the mixture.
        evaluations: the evaluation and the name of its variant, by label.

    Returns:
        one table, or where it would be too wide, a second one for the regret.
    """
    quantities = next(iter(evaluations.values()))[0].quantities
    figures, parts = _table(title), list(quantities.of_regret)
    for key in quantities.of_figures:
        figures.add_column(_heading(key), justify="right", no_wrap=True)
    wide = len(quantities.kinds) > 2 or quantities.monitored or quantities.costs
    regret = _table("") if wide else figures
    for key in parts:
        regret.add_column(_heading(key), justify="right", no_wrap=True, style="cyan")
    for label, (evaluation, name) in evaluations.items():
        values = [_number(value, key) for key, value in evaluation.figures(name, pattern).items()]
        lost = [_number(value, key) for key, value in evaluation.regret(name, pattern).items()]
        style = "dim" if not label.startswith("gate") else ""
        if regret is figures:
            figures.add_row(label, *values, *lost, style=style)
        else:
            figures.add_row(label, *values, style=style)
            regret.add_row(label, *lost, style=style)
    return [figures] if regret is figures else [figures, regret]


def pattern_table(evaluation: "Evaluation") -> Table:
    """Return and probability of the least valuable kind at each gate, under each oversight pattern."""
    table, unwanted = _table("By which terminals are watched", "watched"), evaluation.quantities.ranked[-1]
    columns = [(key, name) for key in ("return_start", f"p_{unwanted}") for name in evaluation.names]
    for key, name in columns:
        table.add_column(f"{'return' if key == 'return_start' else f'P {unwanted}'}\n{name}", justify="right")
    for pattern in evaluation.patterns:
        table.add_row(pattern, *(_number(evaluation.figures(name, pattern)[key], key) for key, name in columns))
    return table


def gate_table(title: str, evaluation: "Evaluation") -> Table:
    """The mixed figures at each gate."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("policy")
    keys = [key for key in evaluation.quantities.of_figures if key != "return_start"]
    for key in keys:
        table.add_column(_heading(key).replace("\n", " "), justify="right")
    for name in evaluation.names:
        figures = evaluation.figures(name)
        table.add_row(f"gate {name}", *(_number(figures[key], key) for key in keys))
    return table


def steering_table(steering: "Steering") -> Table:
    """Returns and ends at each value of what is swept, the first kind's probability as a bar.

    A line marks the end of plain steering.
    """
    table = Table(title=f"setting: {steering.swept}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    kinds = [key.removeprefix("p_") for key in (*steering.ends, "p_timeout")]
    for heading in ("setting", "return none", "return mixed", *(f"P({kind})" for kind in kinds)):
        table.add_column(heading, justify="right")
    table.add_column(f"P({kinds[0]}) as a bar", no_wrap=True)
    for name in steering.evaluation.names:
        mixed, none = steering.evaluation.figures(name), steering.evaluation.figures(name, "none")
        values = [none["return_start"], mixed["return_start"], *(mixed[f"p_{kind}"] for kind in kinds)]
        bar = "#" * round(20 * mixed[f"p_{kinds[0]}"])
        ends = name == steering.plain[-1]
        table.add_row(name, *(f"{value:.3f}" for value in values), bar, end_section=ends)
    return table


def choice_table(choice: "JudgedChoice") -> Table:
    """Every candidate with the supervisor's score and its true return."""
    table = _table("Choosing the gate by observed outcomes", "candidate")
    for heading in ("score", "standard error", "true return, nobody looks"):
        table.add_column(heading, justify="right")
    for name, score in choice.scores.items():
        label = f"gate {name}" + " (chosen)" * (name == choice.gate)
        table.add_row(label, f"{score.value:.3f}", f"{score.error:.3f}", f"{choice.returns[name]:.3f}")
    return table

"""What an impairment study found, as tables for a terminal."""

from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from oversight_gym.localisation.curves import Curve
    from oversight_gym.localisation.study import ImpairmentStudy


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def skill_table(study: "ImpairmentStudy") -> Table:
    """The skills of the unimpaired policy."""
    table = _table("Skills of the unimpaired policy", "kind", "the policy", "skill", "moving at random")
    unimpaired = study.skills(study.begin)
    for number, kind in enumerate(study.kinds):
        sought = "seeks it" if study.skills.sought[number] else "avoids it"
        table.add_row(kind, sought, f"{unimpaired[number]:.3f}", f"{study.skills.chance[number]:.3f}")
    return table


def specificity_table(study: "ImpairmentStudy") -> Table:
    """How much the skills fall, how specifically, and how much impairment makes the policy safe."""
    columns = (
        "own\nfalls by",
        "others\nfall by",
        "specificity\nindex",
        "95 % interval",
        "beats",
        "safe at",
        "return\nleft",
    )
    table = _table("Skill lost, averaged over the intensities", "cluster", *columns)
    for kind, at in study.impairments:
        table.add_section()
        table.add_row(f"[bold]{kind}, {at}[/bold]")
        for curve in study.named:
            if (curve.kind, curve.at) == (kind, at):
                table.add_row(*_row(study, curve))
    return table


def _row(study: "ImpairmentStudy", curve: "Curve") -> list[str]:
    found, safe = study.specificity(curve), study.safe(curve)
    fallen, topic = study.falls(curve), curve.cluster.topic
    cells = [curve.cluster.name, "", ""]
    if topic is not None:
        cells[1:] = [_signed(fallen[topic]), _signed(np.delete(fallen, topic).mean())]
    if found is None:
        cells += ["", "", ""]
    else:
        cells += [_signed(found.value), f"[{_signed(found.low)}, {_signed(found.high)}]", f"{found.beaten:.0%}"]
    return cells + (["never", ""] if safe is None else [f"{safe.intensity:.3g}", _signed(safe.left)])


def _signed(value: float) -> str:
    return f"{value + 0.0:+.3f}"

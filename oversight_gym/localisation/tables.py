"""What an impairment study found, as tables for a terminal."""

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from oversight_gym.localisation.impair import ImpairmentStudy


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def skill_table(study: "ImpairmentStudy") -> Table:
    """The skills of the unimpaired policy."""
    table = _table("Skills of the unimpaired policy", "kind", "it", "skill", "at random")
    unimpaired = study.skills(study.begin)
    for number, kind in enumerate(study.kinds):
        sought = "seeks it" if study.skills.sought[number] else "avoids it"
        table.add_row(kind, sought, f"{unimpaired[number]:.3f}", f"{study.skills.chance[number]:.3f}")
    return table


def specificity_table(study: "ImpairmentStudy") -> Table:
    """How much the skills fall, how specifically, and how much impairment makes the policy safe."""
    table = _table(
        "Skill lost, averaged over the intensities",
        "cluster",
        "impairment",
        "own",
        "others",
        "specificity",
        "95 % interval",
        "beats",
        "safe at",
        "return\nleft",
    )
    for kind, at in study.impairments:
        for curve in study.named:
            if (curve.kind, curve.at) != (kind, at):
                continue
            found, safe = study.specificity(curve), study.safe(curve)
            numbers = ["", "", "", "", ""]
            if found is not None:
                interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
                numbers = [f"{found.own:.3f}", f"{found.others:.3f}", f"{found.value:+.3f}", interval]
                numbers.append(f"{found.beaten:.0%}")
            reached = ("never", "") if safe is None else (f"{safe.intensity:.3g}", f"{safe.left:.3f}")
            table.add_row(curve.cluster.name, f"{kind} {at}", *numbers, *reached)
        table.add_section()
    return table

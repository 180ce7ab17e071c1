"""The chart of an attack: how likely an unwanted end is after so many gradient steps."""

from matplotlib.figure import Figure

from oversight_gym.envs.drawing.palette import GREY, INK, MARKERS, SERIES
from oversight_gym.localisation.relearning import Relearning


def relearning_chart(found: Relearning, title: str) -> Figure:
    """P(unwanted) on the left and the true return on the right, by gradient steps, a curve for each start."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (name, curve) in enumerate(found.curves.items()):
        look = {"color": SERIES[number % len(SERIES)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
        if name == "fresh":
            look |= {"color": INK, "linestyle": "--"}
        left.plot(curve.steps, curve.unwanted, label=name, **look)
        right.plot(curve.steps, curve.returns, **look)
    for level in found.levels:
        left.axhline(level, color=GREY, linewidth=0.8, linestyle=":")
    left.set(ylabel="P(unwanted end), nobody looks", ylim=(-0.02, 1.02))
    right.set(ylabel="true return from the start, nobody looks", ylim=(-1.05, 1.05))
    for axes in (left, right):
        axes.set_xscale("symlog", linthresh=1)
        axes.set(xlabel="gradient steps of the attacker", xlim=(0, found.attack.steps))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(found.curves), frameon=False)
    figure.suptitle(title)
    return figure

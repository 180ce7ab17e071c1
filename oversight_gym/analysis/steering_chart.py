"""The chart of a steering curve."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oversight_gym.envs import KINDS
from oversight_gym.envs.drawing.palette import GREY, INK, MARKERS
from oversight_gym.evaluation.figures import Evaluation
from oversight_gym.evaluation.steering import Steering


def steering_chart(steering: Steering, ceilings: Mapping[str, Evaluation], title: str) -> Figure:
    """Returns on the left and ends of episodes on the right, by the swept value; the part beyond plain steering is
    shaded."""
    figure, evaluation = Figure(figsize=(10, 4.2), layout="constrained"), steering.evaluation
    left, right = figure.subplots(1, 2)
    mixed, unwatched = (
        [evaluation.figures(name, pattern)["return_start"] for name in evaluation.names] for pattern in (None, "none")
    )
    left.plot(steering.values, mixed, color=GREY, linewidth=5, alpha=0.4, label="mixed")  # the two often coincide
    left.plot(steering.values, unwatched, color=INK, marker="s", markersize=4, label="nobody looks")
    for name in ("optimal", "ideal steered", "nearest terminal"):
        height = ceilings[name].figures(name)["return_start"]
        left.axhline(height, color=GREY, linewidth=0.8, linestyle="--")
        beyond = steering.values[-1] > 1  # there the curve has left the ceilings behind
        at, align = (steering.values[-1], "right") if beyond else (0.0, "left")
        left.annotate(name, (at, height), xytext=(0, 3), textcoords="offset points", color=GREY, fontsize=8, ha=align)
    left.set(xlabel=steering.swept, ylabel="return from the start", ylim=(-1.05, 1.05))
    left.legend(loc="lower right", frameon=False)
    for marker, kind in zip(MARKERS, (*evaluation.quantities.ranked, "timeout"), strict=False):
        heights = [evaluation.figures(name)[f"p_{kind}"] for name in evaluation.names]
        colour = GREY if kind == "timeout" else KINDS[kind].colour
        right.plot(steering.values, heights, color=colour, marker=marker, markersize=4, label=kind)
    right.set(xlabel=steering.swept, ylabel="probability of ending there (mixed)", ylim=(-0.02, 1.02))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        if steering.values[-1] > 1:
            _mark_end(axes, steering)
    figure.suptitle(title)
    return figure


def _mark_end(axes: Axes, steering: Steering) -> None:
    """Mark where plain steering ends, and shade what lies beyond."""
    axes.axvline(1, color=GREY, linewidth=1)
    axes.axvspan(1, steering.values[-1], color=GREY, alpha=0.1, linewidth=0)
    top = axes.get_xaxis_transform()
    axes.text(1, 1.01, "plain steering ends", ha="center", va="bottom", color=GREY, fontsize=8, transform=top)

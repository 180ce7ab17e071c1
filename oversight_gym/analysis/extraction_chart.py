"""The chart of an extraction: what subnets do by their size, and how much of them lies in the expert of the task."""

from matplotlib.figure import Figure

from oversight_gym.envs.drawing.palette import GREY, MARKERS, SERIES
from oversight_gym.localisation.extraction import Extraction


def extraction_chart(found: Extraction, title: str) -> Figure:
    """A row for each task: performance on it, on the others, and the share of the subnet in each expert, by size.

    The last picture of a row shows the expert that the task is named after, and chance as a dotted line; it is left out
    where there is none.
    """
    tasks, pickers = (list(dict.fromkeys(getattr(row, name) for row in found.rows)) for name in ("task", "picker"))
    columns = 3 if found.chance else 2
    figure = Figure(figsize=(3.6 * columns, 3.1 * len(tasks) + 0.7), layout="constrained")
    grid = figure.subplots(len(tasks), columns, squeeze=False)
    for line, task in zip(grid, tasks, strict=True):
        expert = next((name for name in found.chance if task.endswith(f"-{name}")), next(iter(found.chance), ""))
        for number, picker in enumerate(pickers):
            rows = [row for row in found.rows if (row.task, row.picker) == (task, picker)]
            look = {"color": SERIES[number % len(SERIES)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
            columns_of = [[row.performance for row in rows], [row.distracted for row in rows]]
            if expert:
                columns_of.append([row.within[expert] for row in rows])
            for axes, heights in zip(line, columns_of, strict=True):
                axes.plot([row.size for row in rows], heights, label=picker, **look)
        headings = [task, "the other tasks, on average", f"share in the {expert} expert"]
        for axes, heading in zip(line, headings, strict=False):
            axes.set(title=heading, xlabel="units of the subnet", ylim=(-0.3, 1.05))
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.spines[["top", "right"]].set_visible(False)
        if expert:
            line[2].axhline(found.chance[expert], color=GREY, linestyle=":", linewidth=1)
        line[0].set_ylabel("right answers above chance")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title)
    return figure

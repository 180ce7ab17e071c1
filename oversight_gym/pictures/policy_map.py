"""The policy map: what the policy would do on every square of one layout, drawn as in the paper's figures.

Arrows are as long as their action is likely. The background is the gate (the colour of the first expert where that
alone acts, of the last one where the first has no weight), or how likely the episode is to end on a kind of terminal.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import Gate, GatedMixturePolicy
from oversight_gym.envs import KINDS, EnvConfig
from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.palette import BLUE, FACET, GREY, INK, ORANGE, OVERSIGHT
from oversight_gym.envs.errors import choose
from oversight_gym.envs.oversight.processes import pattern_flags, pattern_names
from oversight_gym.envs.world.grid import MOVES
from oversight_gym.evaluation.policy_map import default_terminals, looks
from oversight_gym.evaluation.situations import Block


def backgrounds(config: EnvConfig) -> dict[str, str]:
    """What the background can show, and what that means."""
    return {"gate": "weight of the first expert"} | {kind: f"P(episode ends on the {kind})" for kind in config.kinds}


def _colour_map(name: str, experts: Sequence[str]) -> Colormap:
    if name != "gate":
        return LinearSegmentedColormap.from_list(name, ["white", KINDS[name].colour])
    first, last = (
        KINDS[expert].colour if expert in KINDS else otherwise
        for expert, otherwise in ((experts[0], BLUE), (experts[-1], ORANGE))
    )
    return LinearSegmentedColormap.from_list("gate", [last, "white", first])


class MapPainter:
    """Paints policy maps of one environment.

    Args:
        config: of the environment.
        terminals: their squares, shape (1, kinds); the default layout if None.
        pattern: which terminals are under oversight, one of ``pattern_names``.
        background: a key of :func:`backgrounds`.
    """

    def __init__(
        self,
        config: EnvConfig,
        terminals: NDArray[np.int16] | None = None,
        pattern: str = "none",
        background: str = "gate",
    ) -> None:
        self.label = choose("background", background, backgrounds(config))
        flags = dict(zip(pattern_names(config.kinds), pattern_flags(len(config.kinds)).tolist(), strict=True))
        self.overseen: list[bool] = choose("pattern", pattern, flags)
        self.config, self.pattern, self.background = config, pattern, background
        self.block = Block(config, default_terminals(config) if terminals is None else terminals)

    def figure(self, policy: GatedMixturePolicy, gates: Sequence[Gate], title: str = "") -> Figure:
        """One panel per gate."""
        grid, experts = self.config.grid, policy.experts
        of_gate, single = self.background == "gate", len(experts) == 1
        colours = not (of_gate and single)
        colour_map = _colour_map(self.background, experts)
        width, top = 2.6 * len(gates) * grid.cols / grid.rows, 0.3 + 0.25 * bool(title)
        height = 2.6 + top + 0.55 * colours
        figure = Figure(figsize=(width, height), dpi=100)
        figure.subplots_adjust(0.01, (0.02 + 0.55 * colours) / height, 0.99, 1 - top / height, wspace=0.03)
        if title:
            figure.suptitle(title, fontsize=10, y=1 - 0.04 / height, va="top")
        panels = figure.subplots(1, len(gates), squeeze=False)[0]
        for axes, gate, look in zip(panels, gates, looks(policy, self.block, gates, self.pattern), strict=True):
            shown = look.gate if of_gate else look.ends[:, self.config.kinds.index(self.background)]
            self._panel(axes, colour_map, shown if colours else None, look.actions)
            axes.set_title(experts[0] if single else f"gate {gate}", fontsize=10)
        if colours:
            label = (
                f"gate: 0 {experts[-1]} expert, 1 {experts[0]} expert" if len(experts) == 2 and of_gate else self.label
            )
            bar = figure.add_axes((0.3, 0.36 / height, 0.4, 0.09 / height))
            figure.colorbar(ScalarMappable(Normalize(0, 1), colour_map), cax=bar, orientation="horizontal", alpha=0.75)
            bar.tick_params(labelsize=7, pad=1, length=2)
            bar.set_xlabel(label, fontsize=8, labelpad=1)
        return figure

    def paint(self, policy: GatedMixturePolicy, gates: Sequence[Gate], title: str = "") -> NDArray[np.uint8]:
        """The figure as pixels, shape (height, width, 3), uint8."""
        canvas = FigureCanvasAgg(self.figure(policy, gates, title))
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]

    def _panel(
        self,
        axes: Axes,
        colour_map: Colormap,
        background: NDArray[np.float64] | None,
        actions: NDArray[np.float64],
    ) -> None:
        grid = self.config.grid
        shape = grid.rows, grid.cols
        shown = np.full(shape, np.nan) if background is None else background.reshape(shape)
        axes.imshow(shown, cmap=colour_map, vmin=0, vmax=1, alpha=0.75)
        for row, col in zip(*np.divmod(np.flatnonzero(grid.walls), grid.cols), strict=True):
            axes.add_patch(Rectangle((col - 0.5, row - 0.5), 1, 1, color=GREY))
        axes.hlines(np.arange(1, grid.rows) - 0.5, -0.5, grid.cols - 0.5, color="#bbbbbb", linewidth=0.6)
        axes.vlines(np.arange(1, grid.cols) - 0.5, -0.5, grid.rows - 0.5, color="#bbbbbb", linewidth=0.6)
        arrows = []
        for square in np.flatnonzero(~np.isnan(actions[:, 0])).tolist():
            row, col = grid.position(square)
            arrows += [outline + np.array([col, row]) for outline in shapes.arrows(actions[square], MOVES)]
        axes.add_collection(PolyCollection(arrows, facecolor=INK, linewidth=0, zorder=2))
        axes.set(xticks=[], yticks=[], xlim=(-0.5, grid.cols - 0.5), ylim=(grid.rows - 0.5, -0.5))
        squares = self.block.terminals[0].tolist()
        for kind, square, overseen in zip(self.config.kinds, squares, self.overseen, strict=True):
            row, col = grid.position(square)
            _terminal(axes, kind, np.array([col, row]), overseen)


def _terminal(axes: Axes, kind: str, at: NDArray[np.int64], overseen: bool) -> None:
    if overseen:
        corner = at - 0.45
        axes.add_patch(Rectangle(corner.tolist(), 0.9, 0.9, fill=False, edgecolor=OVERSIGHT, linewidth=3, zorder=3))
        eye = PolyCollection([shapes.EYE + shapes.EYE_AT + at], facecolor="white", edgecolor=INK, linewidth=1, zorder=4)
        axes.add_collection(eye)
        axes.plot(*(shapes.EYE_AT + at), "o", color=INK, markersize=2.2, zorder=5)
    colour = KINDS[kind].colour
    if kind == "ghost":
        axes.add_collection(PolyCollection([shapes.GHOST + at], facecolor=colour, linewidth=0, zorder=3))
        axes.plot(*(shapes.GHOST_EYES + at).T, "o", color="white", markersize=3.5, zorder=4)
        return
    axes.add_collection(PolyCollection([shapes.GEM + at], facecolor=colour, linewidth=0, zorder=3))
    if kind == "diamond":
        axes.add_collection(LineCollection(list(shapes.GEM_FACETS + at), colors=FACET, linewidth=0.8, zorder=4))
    else:
        axes.text(*at, kind[0].upper(), color="white", fontsize=8, ha="center", va="center", zorder=5)

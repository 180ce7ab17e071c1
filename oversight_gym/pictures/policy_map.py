"""The policy map: the policy's actions on every square of one layout, drawn as in the paper's figures.

The length of an arrow shows the probability of its action. The background is the gate (the colour of the first expert
where that alone acts, of the last one where the first has no weight), or how likely the episode is to end on a kind of
terminal.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate, gate_text
from oversight_gym.envs import KINDS, EnvConfig
from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.directions import directions
from oversight_gym.envs.drawing.gates import gate_colours
from oversight_gym.envs.drawing.marks import Mark, expert_colours, terminal_marks
from oversight_gym.envs.drawing.palette import FACET, GREY, INK, OVERSIGHT
from oversight_gym.envs.errors import choose
from oversight_gym.envs.oversight.processes import pattern_flags, pattern_names
from oversight_gym.evaluation.policy_map import default_terminals, policy_maps
from oversight_gym.evaluation.situations import Block

OPACITY = 0.75
"""The opacity of the background."""


def backgrounds(config: EnvConfig) -> dict[str, str]:
    """The possible backgrounds and their meanings."""
    return {"gate": "gate"} | {kind: f"P(episode ends on the {kind})" for kind in config.kinds}


def _colour_map(background: str, experts: tuple[str, ...]) -> Colormap:
    """The colours for the probability of a kind of terminal, or for the weight of the first of two experts."""
    if background != "gate":
        return LinearSegmentedColormap.from_list(background, ["white", KINDS[background].colour])
    first, last = expert_colours(experts)
    return LinearSegmentedColormap.from_list("gate", [last, "white", first])


class MapPainter:
    """Paints policy maps of one environment.

    Args:
        config: the environment's config.
        terminals: their squares, shape (1, terminals); the default layout if None.
        pattern: the terminals under oversight, one of ``pattern_names``.
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
        every = pattern_flags(len(config.terminals)).tolist()
        flags = dict(zip(pattern_names(config.terminals), every, strict=True))
        self.overseen: list[bool] = choose("pattern", pattern, flags)
        self.config, self.pattern, self.background = config, pattern, background
        self.block = Block(config, default_terminals(config) if terminals is None else terminals)

    def figure(self, policy: GatedMixturePolicy, gates: Sequence[Gate], title: str = "") -> Figure:
        """One panel per gate."""
        grid, experts = self.config.grid, policy.experts
        of_gate, single = self.background == "gate", len(experts) == 1
        coloured = not (of_gate and single)
        width, top = 2.6 * len(gates) * grid.cols / grid.rows, 0.3 + 0.25 * bool(title)
        height = 2.6 + top + 0.55 * coloured
        figure = Figure(figsize=(width, height), dpi=100)
        figure.subplots_adjust(0.01, (0.02 + 0.55 * coloured) / height, 0.99, 1 - top / height, wspace=0.03)
        if title:
            figure.suptitle(title, fontsize=10, y=1 - 0.04 / height, va="top")
        panels = figure.subplots(1, len(gates), squeeze=False)[0]
        for axes, gate, found in zip(panels, gates, policy_maps(policy, self.block, gates, self.pattern), strict=True):
            if coloured:
                shown = found.gate if of_gate else found.ends[:, self.config.kinds.index(self.background)]
                self._colour(axes, shown, experts)
            self._panel(axes, found.actions)
            axes.set_title(experts[0] if single else f"gate {gate_text(gate)}", fontsize=10)
        if of_gate and len(experts) > 2:
            named = zip(experts, expert_colours(experts), strict=True)
            legend = [Patch(color=colour, label=name, alpha=OPACITY) for name, colour in named]
            style: dict[str, Any] = {"ncols": len(experts), "frameon": False, "fontsize": 8, "title_fontsize": 8}
            figure.legend(handles=legend, loc="lower center", title="leading expert", **style)
        elif coloured:
            self._bar(figure.add_axes((0.3, 0.36 / height, 0.4, 0.09 / height)), experts)
        return figure

    def _bar(self, axes: Axes, experts: tuple[str, ...]) -> None:
        """The colour bar."""
        colours = ScalarMappable(Normalize(0, 1), _colour_map(self.background, experts))
        figure = axes.figure
        assert isinstance(figure, Figure)
        figure.colorbar(colours, cax=axes, orientation="horizontal", alpha=OPACITY)
        axes.tick_params(labelsize=7, pad=1, length=2)
        of_gate = f"gate: 0 {experts[-1]} expert, 1 {experts[0]} expert"
        axes.set_xlabel(of_gate if self.background == "gate" else self.label, fontsize=8, labelpad=1)

    def _colour(self, axes: Axes, shown: NDArray[np.float64], experts: tuple[str, ...]) -> None:
        """The background: weights (squares, experts) or probabilities (squares,)."""
        shape = self.config.grid.rows, self.config.grid.cols
        if shown.ndim == 2 and len(experts) > 2:
            there = ~np.isnan(shown[:, 0])
            image = np.zeros((*there.shape, 4))
            image[there, :3] = gate_colours(shown[there], expert_colours(experts), strength=1) / 255
            image[there, 3] = OPACITY
            axes.imshow(image.reshape(*shape, 4))
            return
        value = shown[:, 0] if shown.ndim == 2 else shown
        colours = _colour_map(self.background, experts)
        axes.imshow(value.reshape(shape), cmap=colours, vmin=0, vmax=1, alpha=OPACITY)

    def paint(self, policy: GatedMixturePolicy, gates: Sequence[Gate], title: str = "") -> NDArray[np.uint8]:
        """The figure as pixels, shape (height, width, 3), uint8."""
        canvas = FigureCanvasAgg(self.figure(policy, gates, title))
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]

    def _panel(self, axes: Axes, actions: NDArray[np.float64]) -> None:
        """Walls, lines, arrows and terminals."""
        grid, ways = self.config.grid, directions(self.config.world)
        axes.set_aspect("equal")
        for row, col in zip(*np.divmod(np.flatnonzero(grid.walls), grid.cols), strict=True):
            axes.add_patch(Rectangle((col - 0.5, row - 0.5), 1, 1, color=GREY))
        axes.hlines(np.arange(1, grid.rows) - 0.5, -0.5, grid.cols - 0.5, color="#bbbbbb", linewidth=0.6)
        axes.vlines(np.arange(1, grid.cols) - 0.5, -0.5, grid.rows - 0.5, color="#bbbbbb", linewidth=0.6)
        arrows = []
        for square in np.flatnonzero(~np.isnan(actions[:, 0])).tolist():
            row, col = grid.position(square)
            arrows += [outline + np.array([col, row]) for outline in shapes.arrows(actions[square], ways)]
        axes.add_collection(PolyCollection(arrows, facecolor=INK, linewidth=0, zorder=2))
        axes.set(xticks=[], yticks=[], xlim=(-0.5, grid.cols - 0.5), ylim=(grid.rows - 0.5, -0.5))
        squares = self.block.terminals[0].tolist()
        for mark, square, overseen in zip(terminal_marks(self.config), squares, self.overseen, strict=True):
            row, col = grid.position(square)
            _terminal(axes, mark, np.array([col, row]), overseen)


def _terminal(axes: Axes, mark: Mark, at: NDArray[np.int64], overseen: bool) -> None:
    if overseen:
        corner = at - 0.45
        axes.add_patch(Rectangle(corner.tolist(), 0.9, 0.9, fill=False, edgecolor=OVERSIGHT, linewidth=3, zorder=3))
        eye = PolyCollection([shapes.EYE + shapes.EYE_AT + at], facecolor="white", edgecolor=INK, linewidth=1, zorder=4)
        axes.add_collection(eye)
        axes.plot(*(shapes.EYE_AT + at), "o", color=INK, markersize=2.2, zorder=5)
    axes.add_collection(PolyCollection([mark.outline + at], facecolor=mark.colour, linewidth=0, zorder=3))
    if mark.kind == "ghost":
        axes.plot(*(shapes.GHOST_EYES + at).T, "o", color="white", markersize=3.5, zorder=4)
    if mark.kind == "diamond":
        axes.add_collection(LineCollection(list(shapes.GEM_FACETS + at), colors=FACET, linewidth=0.8, zorder=4))
    if mark.lettered:
        how: dict[str, Any] = {"color": mark.letter_colour, "weight": "bold", "ha": "center", "va": "center_baseline"}
        axes.text(float(at[0]), float(at[1]), mark.letter, fontsize=9, zorder=4, **how)

"""The policy map: what the policy would do on every square of one layout, drawn as in the paper's figures.

Arrows are as long as their action is likely; the background is the gate, blue for the first expert, orange for the
last.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from oversight_gym.agents.policy import GatedMixturePolicy
from oversight_gym.envs import GridConfig
from oversight_gym.envs.grid import MOVES
from oversight_gym.palette import BLUE, GREEN, GREY, ORANGE, YELLOW
from oversight_gym.probabilities import policy_query
from oversight_gym.tables import DIAMOND, GHOST, PATTERNS, Block

GATE_COLOURS = LinearSegmentedColormap.from_list("gate", [ORANGE, "white", BLUE])
SHOWN = 0.02
"""Least probability that gets an arrow."""


def gates_and_actions(
    policy: GatedMixturePolicy, block: Block, gates: Sequence[str], pattern: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the policy does on every free square of one placement of the terminals.

    Args:
        policy: the policy.
        block: of one placement.
        gates: ``free`` or experts' names.
        pattern: which terminals are under oversight, a key of ``PATTERNS``.

    Returns:
        Weight of the first expert, shape (gates, squares); action probabilities, shape (gates, squares, actions).
    """
    observations = block.observations()[list(PATTERNS).index(pattern) :: len(PATTERNS)]
    forced = [None if gate == "free" else gate for gate in gates]
    actions = policy_query(policy, forced)(observations)
    with torch.no_grad():
        features = policy.policy_features(torch.as_tensor(observations, device=policy.device))
        free = policy.mixture.gate_weights(features)[:, 0].cpu().numpy()
    weights = [
        free if vector is None else np.full_like(free, float(vector[0])) for vector in map(policy.gate_vector, forced)
    ]
    return np.stack(weights), actions


def default_terminals(config: GridConfig) -> NDArray[np.int16]:
    """Ghost and diamond a quarter of the grid from opposite corners, shape (1, kinds)."""
    grid = config.grid
    rows, cols = np.divmod(grid.free, grid.cols)
    wanted = {GHOST: 0.25, DIAMOND: 0.75}
    squares = np.zeros((1, len(wanted)), dtype=np.int16)
    for kind, share in wanted.items():
        distance = np.abs(rows - share * (grid.rows - 1)) + np.abs(cols - share * (grid.cols - 1))
        distance[np.isin(grid.free, squares[0, :kind])] = np.inf
        squares[0, kind] = grid.free[distance.argmin()]
    return squares


def _ghost(x: float, y: float) -> Outline:
    """A hood with a wavy hem, y pointing down."""
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    hood = np.stack([0.26 * np.cos(angle), 0.26 * np.sin(angle) - 0.04], axis=1)
    hem_x = np.linspace(0.26, -0.26, 25)
    hem = np.stack([hem_x, 0.26 + 0.04 * np.cos(hem_x * 8 * np.pi)], axis=1)
    return Outline(np.concatenate([hood, hem]) + np.array([x, y]))


class MapPainter:
    """Paints policy maps of one environment.

    Args:
        config: the environment's settings.
        terminals: squares of ghost and diamond, shape (1, kinds); the default layout if None.
        pattern: which terminals are under oversight, a key of ``PATTERNS``.
    """

    def __init__(self, config: GridConfig, terminals: NDArray[np.int16] | None = None, pattern: str = "none") -> None:
        self.config, self.pattern = config, pattern
        self.block = Block(config, default_terminals(config) if terminals is None else terminals)

    def figure(self, policy: GatedMixturePolicy, gates: Sequence[str]) -> Figure:
        """One panel per gate setting."""
        weights, actions = gates_and_actions(policy, self.block, gates, self.pattern)
        grid = self.config.grid
        figure = Figure(figsize=(2.6 * len(gates) * grid.cols / grid.rows, 2.85), dpi=100)
        figure.subplots_adjust(0.01, 0.01, 0.99, 0.9, wspace=0.03)
        panels = figure.subplots(1, len(gates), squeeze=False)[0]
        single = len(policy.experts) == 1
        for axes, gate, weight, action in zip(panels, gates, weights, actions, strict=True):
            self._panel(axes, None if single else weight, action)
            axes.set_title(f"gate {gate}" if not single else policy.experts[0], fontsize=10)
        return figure

    def paint(self, policy: GatedMixturePolicy, gates: Sequence[str]) -> NDArray[np.uint8]:
        """The figure as pixels, shape (height, width, 3), uint8."""
        canvas = FigureCanvasAgg(self.figure(policy, gates))
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]

    def _panel(self, axes: Axes, weight: NDArray[np.float32] | None, actions: NDArray[np.float32]) -> None:
        grid = self.config.grid
        rows, cols = np.divmod(grid.free, grid.cols)
        standing = ~np.isin(grid.free, self.block.terminals)  # squares where the episode goes on
        background = np.full((grid.rows, grid.cols), np.nan)
        if weight is not None:
            background[rows[standing], cols[standing]] = weight[standing]
        axes.imshow(background, cmap=GATE_COLOURS, vmin=0, vmax=1, alpha=0.75)
        for row, col in zip(*np.divmod(np.flatnonzero(grid.walls), grid.cols), strict=True):
            axes.add_patch(Rectangle((col - 0.5, row - 0.5), 1, 1, color=GREY))
        lengths = np.where(standing[:, None] & (actions >= SHOWN), actions, np.nan) * 0.46
        for (down, right), length in zip(MOVES, lengths.T, strict=True):
            axes.quiver(cols, rows, right * length, down * length, **_ARROW)
        axes.hlines(np.arange(1, grid.rows) - 0.5, -0.5, grid.cols - 0.5, color="#bbbbbb", linewidth=0.6)
        axes.vlines(np.arange(1, grid.cols) - 0.5, -0.5, grid.rows - 0.5, color="#bbbbbb", linewidth=0.6)
        axes.set(xticks=[], yticks=[], xlim=(-0.5, grid.cols - 0.5), ylim=(grid.rows - 0.5, -0.5))
        self._terminals(axes)

    def _terminals(self, axes: Axes) -> None:
        overseen = PATTERNS[self.pattern]
        for kind, square in enumerate(self.block.terminals[0].tolist()):
            y, x = self.config.grid.position(square)
            if overseen[kind]:
                axes.add_patch(Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, fill=False, edgecolor=YELLOW, linewidth=3))
            if kind == GHOST:
                axes.add_patch(PathPatch(_ghost(x, y), facecolor=ORANGE, linewidth=0, zorder=3))
                axes.plot([x - 0.09, x + 0.09], [y - 0.06] * 2, "o", color="white", markersize=3.5, zorder=4)
            else:
                gem = Outline([(x, y - 0.32), (x + 0.26, y), (x, y + 0.32), (x - 0.26, y)])
                axes.add_patch(PathPatch(gem, facecolor=GREEN, linewidth=0, zorder=3))


_ARROW: dict[str, Any] = {
    "angles": "xy",
    "scale_units": "xy",
    "scale": 1,
    "width": 0.012,
    "headwidth": 4,
    "headlength": 4,
    "headaxislength": 4,
    "minlength": 0,
    "color": "#222222",
    "zorder": 2,
}

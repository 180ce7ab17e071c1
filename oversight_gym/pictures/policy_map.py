"""The policy map: what the policy would do on every square of one layout, drawn as in the paper's figures.

Arrows are as long as their action is likely. The background is the gate (blue for the first expert, orange for the
last), or how likely the episode is to end on the ghost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.agents.routing.mixture import weigh
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.palette import BLUE, FACET, GREY, INK, ORANGE, OVERSIGHT
from oversight_gym.envs.errors import choose
from oversight_gym.envs.world.grid import MOVES
from oversight_gym.evaluation.situations import DIAMOND, GHOST, PATTERNS, Block

BACKGROUNDS = {
    "gate": (LinearSegmentedColormap.from_list("gate", [ORANGE, "white", BLUE]), "weight of the first expert"),
    "ghost": (LinearSegmentedColormap.from_list("ghost", ["white", ORANGE]), "P(episode ends on the ghost)"),
}
"""What the background can show: colours, and what they mean."""


@dataclass(frozen=True)
class Look:
    """A policy at one gate setting, on every square of a grid; NaN where no episode goes on.

    Attributes:
        gate: weight of the first expert, shape (squares,).
        actions: action probabilities, shape (squares, actions).
        p_ghost: probability that the episode ends on the ghost, shape (squares,), exact.
    """

    gate: NDArray[np.float64]
    actions: NDArray[np.float64]
    p_ghost: NDArray[np.float64]


def _p_ghost(block: Block, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Backwards over the steps of an episode; shape (free squares,)."""
    ghost, over = block.at(GHOST)[:, 0], (block.at(GHOST) | block.at(DIAMOND))[:, 0]
    chance = ghost.astype(np.float64)
    for _ in range(int(block.config.step_limit)):
        going_on = (actions * chance[block.next_index]).sum(axis=1)
        chance = np.where(over, ghost, going_on)
    return chance


def gate_and_actions(
    policy: GatedMixturePolicy, observations: NDArray[np.int8], gate: Gate
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight of the first expert (n,), and action probabilities (n, actions), at a gate setting."""
    obs = torch.as_tensor(observations, device=policy.device)
    with torch.no_grad(), policy.steer(gate):
        actions = policy.log_probs(obs).exp().double().cpu().numpy()
        free = policy.mixture.gate_weights(policy.policy_features(obs))
        weights = weigh(free, policy.mixture.forced_gate)[:, 0].double().cpu().numpy()
    return weights, actions


def looks(policy: GatedMixturePolicy, block: Block, gates: Sequence[Gate], pattern: str = "none") -> list[Look]:
    """What the policy does on one placement of the terminals, per gate setting.

    Args:
        policy: the policy.
        block: of one placement.
        gates: gate settings, as ``policy.steer`` takes them.
        pattern: which terminals are under oversight, a key of ``PATTERNS``.

    Raises:
        RequestError: for a gate or a pattern that there is not.
    """
    choose("pattern", pattern, PATTERNS)
    observations = block.observations()[list(PATTERNS).index(pattern) :: len(PATTERNS)]
    grid, found = block.config.grid, []
    standing = ~np.isin(grid.free, block.terminals)
    for gate in gates:
        weights, probabilities = gate_and_actions(policy, observations, gate)
        layers = {
            "gate": weights,
            "actions": probabilities,
            "p_ghost": _p_ghost(block, probabilities / probabilities.sum(axis=1, keepdims=True)),
        }
        everywhere = {name: np.full((grid.squares, *layer.shape[1:]), np.nan) for name, layer in layers.items()}
        for name, layer in layers.items():
            everywhere[name][grid.free[standing]] = layer[standing]
        found.append(Look(**everywhere))
    return found


def default_terminals(config: EnvConfig) -> NDArray[np.int16]:
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


def terminals_at(
    config: EnvConfig, ghost: tuple[int, int] | None, diamond: tuple[int, int] | None
) -> NDArray[np.int16]:
    """Terminals at (row, column), or where the default layout has them; shape (1, kinds).

    Raises:
        RequestError: if a position is not free, or both are the same.
    """
    squares = default_terminals(config)
    for kind, name, position in ((GHOST, "ghost", ghost), (DIAMOND, "diamond", diamond)):
        if position is not None:
            squares[0, kind] = config.grid.square(name, position)
    if squares[0, GHOST] == squares[0, DIAMOND]:
        where = config.grid.position(squares[0, GHOST])
        raise RequestError(f"ghost and diamond are both at {where}; give --ghost and --diamond distinct squares.")
    return squares


class MapPainter:
    """Paints policy maps of one environment.

    Args:
        config: the environment's settings.
        terminals: squares of ghost and diamond, shape (1, kinds); the default layout if None.
        pattern: which terminals are under oversight, a key of ``PATTERNS``.
        background: a key of ``BACKGROUNDS``.
    """

    def __init__(
        self,
        config: EnvConfig,
        terminals: NDArray[np.int16] | None = None,
        pattern: str = "none",
        background: str = "gate",
    ) -> None:
        choose("background", background, BACKGROUNDS)
        self.config, self.pattern, self.background = config, pattern, background
        self.block = Block(config, default_terminals(config) if terminals is None else terminals)

    def figure(self, policy: GatedMixturePolicy, gates: Sequence[Gate], title: str = "") -> Figure:
        """One panel per gate setting."""
        grid = self.config.grid
        single = len(policy.experts) == 1
        colours = self.background == "ghost" or not single
        width, top = 2.6 * len(gates) * grid.cols / grid.rows, 0.3 + 0.25 * bool(title)
        height = 2.6 + top + 0.55 * colours
        figure = Figure(figsize=(width, height), dpi=100)
        figure.subplots_adjust(0.01, (0.02 + 0.55 * colours) / height, 0.99, 1 - top / height, wspace=0.03)
        if title:
            figure.suptitle(title, fontsize=10, y=1 - 0.04 / height, va="top")
        panels = figure.subplots(1, len(gates), squeeze=False)[0]
        for axes, gate, look in zip(panels, gates, looks(policy, self.block, gates, self.pattern), strict=True):
            background = look.p_ghost if self.background == "ghost" else None if single else look.gate
            self._panel(axes, background, look.actions)
            axes.set_title(policy.experts[0] if single else f"gate {gate}", fontsize=10)
        if colours:
            colour_map, label = BACKGROUNDS[self.background]
            if self.background == "gate":
                label = f"gate: 0 {policy.experts[-1]} expert, 1 {policy.experts[0]} expert"
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

    def _panel(self, axes: Axes, background: NDArray[np.float64] | None, actions: NDArray[np.float64]) -> None:
        grid = self.config.grid
        shape = grid.rows, grid.cols
        colour_map = BACKGROUNDS[self.background][0]
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
        for kind, square in enumerate(self.block.terminals[0].tolist()):
            row, col = grid.position(square)
            _terminal(axes, kind, np.array([col, row]), PATTERNS[self.pattern][kind])


def _terminal(axes: Axes, kind: int, at: NDArray[np.int64], overseen: bool) -> None:
    if overseen:
        corner = at - 0.45
        axes.add_patch(Rectangle(corner.tolist(), 0.9, 0.9, fill=False, edgecolor=OVERSIGHT, linewidth=3, zorder=3))
        eye = PolyCollection([shapes.EYE + shapes.EYE_AT + at], facecolor="white", edgecolor=INK, linewidth=1, zorder=4)
        axes.add_collection(eye)
        axes.plot(*(shapes.EYE_AT + at), "o", color=INK, markersize=2.2, zorder=5)
    if kind == GHOST:
        axes.add_collection(PolyCollection([shapes.GHOST + at], facecolor=ORANGE, linewidth=0, zorder=3))
        axes.plot(*(shapes.GHOST_EYES + at).T, "o", color="white", markersize=3.5, zorder=4)
    else:
        axes.add_collection(PolyCollection([shapes.GEM + at], facecolor=BLUE, linewidth=0, zorder=3))
        axes.add_collection(LineCollection(list(shapes.GEM_FACETS + at), colors=FACET, linewidth=0.8, zorder=4))

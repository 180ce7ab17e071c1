"""What each command of ``oversight-gym`` can be asked, but for ``train`` and ``sweep``, whose configs are their own."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge a trained run by the ground truth, gate free and forced to each expert."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    json: bool = False
    """Print JSON instead of tables."""
    oversight: float | None = None
    """Oversight probability of the mixed figures; default: the run's own."""
    greedy: bool = False
    """Judge the greedy policy instead of the stochastic one."""
    paper_metric: bool = False
    """Add the paper's own sampled figure, as its released code computes it."""
    seed: int = 0
    """Seed of whatever is sampled."""
    threads: int = 1
    """Torch threads."""


@dataclass(frozen=True)
class SteerConfig:
    """Sweep the gate of a trained run from one expert to the other."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """Folder for steering.csv, .json and .png; default: the run folder."""
    expert_scale: str | None = None
    """Scale this expert's contribution from 0 to 1 instead, the gate left free."""
    points: int = 21
    """Number of settings from 0 to 1."""
    threads: int = 1
    """Torch threads."""


@dataclass(frozen=True)
class CompareConfig:
    """Compare the finished runs below a folder: tables and figures over methods, oversight levels and seeds."""

    folder: tyro.conf.Positional[Path]
    """Folder of runs, for example of a sweep."""
    out: Path | None = None
    """Folder for tables and figures; default: compare/ below the folder."""
    baseline: str | None = None
    """Method that the others are compared with, seed by seed."""
    select: str | None = None
    """Which checkpoint counts: last, overseen or oracle (cheating); default: as each run was trained."""
    paper: Path | None = None
    """CSV of published returns by oversight_probability and method, shown as faint markers."""


@dataclass(frozen=True)
class TensorBoardConfig:
    """Start TensorBoard on a run or a folder of runs."""

    folder: tyro.conf.Positional[Path]
    """Run folder, or folder of runs."""
    port: int = 6006
    """Port; 0 for any free one."""
    host: str = "localhost"
    """Address to listen at."""


@dataclass(frozen=True)
class MapConfig:
    """Draw what a trained policy would do on every square, as PNG and SVG, or over its training as a GIF."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """Folder for map.png and map.svg, or map.gif; default: the run folder."""
    gates: tuple[str, ...] = ()
    """Gate settings side by side: free, experts' names, weights from 0 to 1; default: all that the run has."""
    ghost: tuple[int, int] | None = None
    """Row and column of the ghost."""
    diamond: tuple[int, int] | None = None
    """Row and column of the diamond."""
    watched: str = "none"
    """Terminals under oversight: none, diamond, ghost or both."""
    background: str = "gate"
    """Behind the arrows: gate, or ghost (how likely the episode is to end there, exact)."""
    training: bool = False
    """Draw the weights kept in training, with --keep-weights, as a GIF."""


@dataclass(frozen=True)
class WatchConfig:
    """Watch trained policies walk, in a window, or record them; press H in the window for what can be done."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, side by side on the same layouts."""
    gates: tuple[str, ...] = ()
    """Gate settings, side by side: free, experts' names, weights from 0 to 1; default: as the method is used."""
    oversight: float | None = None
    """Oversight probability of the layouts; default: the first run's own."""
    layout_seed: int = 0
    """Seed of layouts and actions."""
    speed: float = 4.0
    """Steps per second."""
    greedy: bool = False
    """The likeliest action instead of a sampled one."""
    policy: bool = False
    """Show the policy on every square: arrows by probability, the gate behind."""
    record: Path | None = None
    """Write a GIF or MP4 instead of opening a window; of one run, all its gates side by side."""
    sheet: Path | None = None
    """Write one episode as a PNG instead, every step beside the next."""
    episodes: int = 3
    """Episodes to record."""
    report: Path | None = None
    """Keep the window's state in this JSON file, for scripts."""


@dataclass(frozen=True)
class PlayConfig:
    """Play yourself, with the arrow keys, and see what your supervisor sees."""

    oversight: float = 0.1
    """Probability that a terminal square is under oversight."""
    size: tuple[int, int] = (5, 5)
    """Rows and columns of the grid."""
    seed: int = 0
    """Seed of the layouts."""
    report: Path | None = None
    """Keep the window's state in this JSON file, for scripts."""


@dataclass(frozen=True)
class MethodsConfig:
    """List the oversight methods: what each rewards, trains on, routes and is used with."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Only these."""

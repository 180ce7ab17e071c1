"""``map``, ``watch`` and ``play``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from msgspec import Meta

from oversight_gym.cli.common import GATES, PluginOptions, writing_to
from oversight_gym.envs import RequestError
from oversight_gym.envs.fields import Checked, Positive, Probability, Seed
from oversight_gym.envs.world.grid import Side
from oversight_gym.viewer import SCREENSHOTS


@dataclass(frozen=True)
class MapOptions(PluginOptions):
    """Draw what a trained policy would do on every square, as PNG and SVG, or over its training as a GIF."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """Folder for map.png and map.svg, map.KIND.png with another background, or map.gif; default: the run folder."""
    gates: Annotated[
        tuple[str, ...], tyro.conf.arg(help="Gates side by side: " + GATES + "; default: all of the run.")
    ] = ()
    ghost: tuple[int, int] | None = None
    """Row and column of the ghost."""
    diamond: tuple[int, int] | None = None
    """Row and column of the diamond."""
    place: tuple[str, ...] = ()
    """Row and column of terminals of other kinds, for example coin=1,3."""
    watched: str = "none"
    """Terminals under oversight: none, kinds joined by +, or both (all, where there are more than two)."""
    background: str = "gate"
    """Background of the arrows: gate, or a kind (the exact probability that the episode ends there)."""
    training: bool = False
    """Draw the weights that training kept with --keep-weights as a GIF."""


def map_(options: MapOptions) -> None:
    """Draw the map of a run, write it and print the names of the files."""
    from oversight_gym.agents.policies.steering import parse_gate
    from oversight_gym.envs.errors import choose
    from oversight_gym.envs.oversight.processes import pattern_names
    from oversight_gym.evaluation.policy_map import terminals_at
    from oversight_gym.files import write_whole
    from oversight_gym.pictures.files import chart_files, write_gif
    from oversight_gym.pictures.policy_map import MapPainter
    from oversight_gym.runs.folder import kept_weights, load_run

    run = load_run(options.run)
    choose("watched", options.watched, dict.fromkeys(pattern_names(run.config.env.terminals)))
    gates = [parse_gate(gate) for gate in options.gates] or list(run.config.gates)
    terminals = terminals_at(run.config.env, _places(options))
    painter = MapPainter(run.config.env, terminals, options.watched, options.background)
    stem = "map" if options.background == "gate" else f"map.{options.background}"
    if options.training:
        frames = [painter.paint(policy, gates, f"{run.title}: {step:,} steps") for step, policy in kept_weights(run)]
        if not frames:
            raise RequestError(f"{run.folder} has kept no weights; train it with `keep_weights`.")
        with writing_to(options.out or options.run) as out:
            write_gif(out / f"{stem}.gif", frames, 0.7, last=2.5)
        print(out / f"{stem}.gif")
        return
    pictures = chart_files(painter.figure(run.policy, gates, run.title), dpi=160)
    with writing_to(options.out or options.run) as out:
        for kind, picture in pictures.items():
            write_whole(out / f"{stem}.{kind}", picture)
            print(out / f"{stem}.{kind}")


def _places(options: MapOptions) -> dict[str, tuple[int, int]]:
    """The positions of terminals that the options give, by kind."""
    named = {"ghost": options.ghost, "diamond": options.diamond}
    places = {kind: place for kind, place in named.items() if place is not None}
    for text in options.place:
        found = re.fullmatch(r"(\w+)=(\d+),(\d+)", text)
        if found is None:
            raise RequestError(f"place is {text!r}; write KIND=ROW,COLUMN, for example coin=1,3.")
        places[found[1]] = int(found[2]), int(found[3])
    return places


@dataclass(frozen=True)
class WatchOptions(PluginOptions):
    """Watch trained policies in a window, or record them; press H in the window for a list of its keys."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, side by side on the same layouts; default: the agent that comes with oversight-gym."""
    gates: Annotated[
        tuple[str, ...], tyro.conf.arg(help="Gates side by side: " + GATES + "; default: the method's.")
    ] = ()
    oversight: Probability | None = None
    """Oversight probability of the layouts; default: the first run's own."""
    layout_seed: Seed = 0
    """Seed of layouts and actions."""
    speed: Positive = 4.0
    """Steps per second."""
    greedy: bool = False
    """Take the likeliest action instead of a sampled one."""
    policy: bool = False
    """Show the policy on every square: arrows by probability, with the gate in the background."""
    record: Path | None = None
    """Write a GIF or MP4 instead of opening a window; a single run is shown at all its gates side by side."""
    sheet: Path | None = None
    """Write one episode as a PNG instead, with its steps side by side."""
    episodes: Annotated[int, Meta(ge=1, le=1000)] = 3
    """Episodes to record."""
    tile: Annotated[int, Meta(ge=16, le=256)] = 48
    """Pixels per square of a recording or sheet."""
    screenshots: Path = SCREENSHOTS
    """Folder for the pictures that C takes in the window."""
    report: Path | None = None
    """Keep the window's state in this JSON file, for scripts."""


def watch(options: WatchOptions) -> None:
    """Open a window, or write a recording or a contact sheet."""
    from oversight_gym.agents.policies.steering import parse_gate
    from oversight_gym.viewer.session import Session
    from oversight_gym.viewer.start import watched_panes

    recorded = options.record or options.sheet
    gates = [parse_gate(gate) for gate in options.gates]
    panes = watched_panes(options.runs, gates, every_gate=recorded is not None)
    session = Session(panes, options.layout_seed, options.oversight)
    session.greedy = options.greedy
    if recorded is None:
        from oversight_gym.viewer.app import App

        app = App(
            session,
            "oversight-gym watch",
            speed=options.speed,
            report=options.report,
            screenshots=options.screenshots,
        )
        app.overlay = options.policy
        app.run()
        return
    from oversight_gym.viewer.recording import contact_sheet, record

    if options.sheet:
        print(f"{options.sheet}: {contact_sheet(session, options.sheet, options.policy, options.tile)} steps")
    if options.record:
        frames = record(session, options.record, options.episodes, options.policy, options.tile)
        print(f"{options.record}: {frames} frames")


@dataclass(frozen=True)
class PlayOptions(Checked):
    """Play yourself, with the arrow keys, and see what your supervisor sees."""

    oversight: Probability = 0.1
    """Probability that a terminal square is under oversight."""
    world: str = "Paper"
    """World to play in; oversight-gym worlds lists them."""
    size: tuple[Side, Side] | None = None
    """Rows and columns of the grid; default: the world's own."""
    seed: Seed = 0
    """Seed of the layouts."""
    screenshots: Path = SCREENSHOTS
    """Folder for the pictures that C takes in the window."""
    report: Path | None = None
    """Keep the window's state in this JSON file, for scripts."""


def play(options: PlayOptions) -> None:
    """Open a window in which a person walks."""
    from oversight_gym.envs.worlds import WORLDS
    from oversight_gym.viewer.app import App
    from oversight_gym.viewer.pane import Pane
    from oversight_gym.viewer.session import Session

    chosen = {} if options.size is None else {"size": options.size}
    config = WORLDS[options.world].config(oversight_probability=options.oversight, **chosen)
    session = Session([Pane(goal(config.kinds), config, None)], options.seed)
    App(session, "oversight-gym play", playing=True, report=options.report, screenshots=options.screenshots).run()


def goal(kinds: tuple[str, ...]) -> str:
    """The goal of a person who plays."""
    from oversight_gym.envs import KINDS
    from oversight_gym.envs.world.kinds import most_valuable_first

    ranked = most_valuable_first(kinds)
    avoided = [kind for kind in ranked if KINDS[kind].value < 0]
    return f"reach the {ranked[0]}" + (f", avoid the {' and the '.join(avoided)}" if avoided else "")

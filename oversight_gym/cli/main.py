"""The command ``oversight-gym``. Heavy imports wait until a command runs, so that ``--help`` is quick."""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.cli.options import (
    CompareConfig,
    EvaluateConfig,
    MapConfig,
    MethodsConfig,
    PlayConfig,
    SteerConfig,
    TensorBoardConfig,
    WatchConfig,
)
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.errors import check_integer, choose
from oversight_gym.runs.config import TrainConfig
from oversight_gym.sweeps.plan import SweepConfig

DESCRIPTION = "Train, steer and judge agents under partial oversight."


def parse_gate(text: str) -> str | float:
    """A gate setting: a weight where it is a number, else a name."""
    try:
        return float(text)
    except ValueError:
        return text


def _parse(arguments: list[str]) -> Any:
    """The command; ``train`` starts from preset and method and ``sweep`` from the file that the arguments name."""
    named = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    named.add_argument("--preset", default=TrainConfig.preset)
    named.add_argument("--method", default=TrainConfig.method)
    named.add_argument("--config", type=Path)
    found = named.parse_known_args(arguments[1:])[0]
    defaults: dict[str, Any] = {}
    if arguments[:1] == ["train"]:
        defaults["train"] = TrainConfig.of(preset=found.preset, method=found.method)
    if arguments[:1] == ["sweep"] and found.config:
        defaults["sweep"] = SweepConfig.from_toml(found.config)
    kinds = {
        name: Annotated[kind, tyro.conf.subcommand(name, **({"default": defaults[name]} if name in defaults else {}))]
        for name, (kind, _) in COMMANDS.items()
    }
    union: Any = Union[tuple(kinds.values())]  # noqa: UP007 - made of a table
    return tyro.cli(union, prog="oversight-gym", description=DESCRIPTION, args=arguments)


def _train(config: TrainConfig) -> None:
    from oversight_gym.cli.report import print_steering
    from oversight_gym.evaluation.figures import evaluate
    from oversight_gym.runs.train import train

    run = train(config)
    evaluation = evaluate(run.policy, run.config.env, run.config.gates, gamma=run.config.hyper.gamma)
    rows = [(f"gate {name}", evaluation, name) for name in evaluation.names]
    print_steering(f"{run.title}: {run.record['steps']:,} steps in {run.record['seconds']:.0f} s", rows)
    folder = shlex.quote(str(run.folder))
    print(f"Run folder: {folder}")
    print(f"Details:    {_tool('oversight-gym')} evaluate {folder}")
    print(f"Curves:     {_tool('oversight-gym')} tensorboard {folder}")


def _tool(name: str) -> str:
    """What to type for a command of this environment: its name, or its path where the name is not found."""
    path = Path(sys.executable).with_name(name)
    if shutil.which(name) or not path.exists():
        return name
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(check_integer("threads", threads, 1))


def _evaluate(config: EvaluateConfig) -> None:
    from oversight_gym.cli.report import print_report
    from oversight_gym.evaluation.figures import ceilings, evaluate
    from oversight_gym.evaluation.paper_metric import paper_metric
    from oversight_gym.runs.folder import load_run

    _set_threads(config.threads)
    run = load_run(config.run)
    gamma = run.config.hyper.gamma
    how: dict[str, Any] = {"gamma": gamma, "oversight": config.oversight, "seed": config.seed}
    gates = run.config.gates
    evaluation = evaluate(run.policy, run.config.env, gates, deterministic=config.greedy, **how)
    references = ceilings(run.config.env, **how)
    paper = {}
    if config.paper_metric:
        paper = {gate: paper_metric(run.policy, run.config.env, gate, gamma, config.seed) for gate in gates}
    if not config.json:
        print_report(run, evaluation, references)
        for gate, value in paper.items():
            print(f"Paper's metric, gate {gate}: {value:+.3f} (one sample of 512 windows of 32 steps)")
        return
    data = evaluation.to_json() | {
        "run": str(run.folder),
        "method": run.config.method,
        "uses_ground_truth": run.config.uses_ground_truth,
        "select": run.config.select,
        "selected_step": run.record.get("selected_step", run.record["steps"]),
        "greedy": config.greedy,
        "labels": run.record["labels"],
        "ceilings": {name: reference.figures(name) for name, reference in references.items()},
    }
    print(json.dumps(data | ({"paper_metric": paper} if paper else {}), indent=2))


def _steer(config: SteerConfig) -> None:
    from oversight_gym.analysis.steering import steer
    from oversight_gym.runs.folder import load_run

    _set_threads(config.threads)
    steer(load_run(config.run), config.out or config.run, config.expert_scale, config.points)


def _sweep(config: SweepConfig) -> None:
    from oversight_gym.sweeps.sweep import sweep

    try:
        failed = sweep(config)
    except KeyboardInterrupt:
        print("oversight-gym: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    if failed:
        sys.exit(1)


def _compare(config: CompareConfig) -> None:
    from oversight_gym.analysis.compare import compare

    compare(config.folder, config.out or config.folder / "compare", config.baseline, config.paper, config.select)


def _tensorboard(config: TensorBoardConfig) -> None:
    from oversight_gym.cli.tensorboard import serve

    serve(config.folder, config.port, config.host)


def _map(config: MapConfig) -> None:
    from oversight_gym.pictures.map import draw_map
    from oversight_gym.runs.folder import load_run

    run, layout = load_run(config.run), (config.ghost, config.diamond, config.watched)
    gates = [parse_gate(gate) for gate in config.gates]
    for path in draw_map(run, config.out or config.run, gates, *layout, config.background, config.training):
        print(path)


def _watch(config: WatchConfig) -> None:
    from oversight_gym.viewer.session import Session
    from oversight_gym.viewer.start import watched_panes

    recorded = config.record or config.sheet
    gates = [parse_gate(gate) for gate in config.gates]
    panes = watched_panes(config.runs, gates, every_gate=recorded is not None)
    session = Session(panes, check_integer("layout_seed", config.layout_seed, 0), config.oversight)
    session.greedy = config.greedy
    if recorded is None:
        from oversight_gym.viewer.app import App

        app = App(session, "oversight-gym watch", speed=config.speed, report=config.report)
        app.overlay = config.policy
        print(f"{app.run():.1f} frames a second")
        return
    from oversight_gym.viewer.record import contact_sheet, record

    if config.sheet:
        print(f"{config.sheet}: {contact_sheet(session, config.sheet, config.policy)} steps")
    if config.record:
        frames = record(session, config.record, check_integer("episodes", config.episodes, 1), config.policy)
        print(f"{config.record}: {frames} frames")


def _play(config: PlayConfig) -> None:
    from oversight_gym.viewer.app import App
    from oversight_gym.viewer.session import Pane, Session

    grid = EnvConfig(size=config.size, oversight_probability=config.oversight)
    session = Session([Pane("you: reach a terminal square", grid, None)], check_integer("seed", config.seed, 0))
    App(session, "oversight-gym play", playing=True, report=config.report).run()


def _methods(config: MethodsConfig) -> None:
    from oversight_gym.cli.report import print_methods

    print_methods([choose("method", name, METHODS) for name in config.names or METHODS])


COMMANDS: dict[str, tuple[type, Callable[[Any], None]]] = {
    "train": (TrainConfig, _train),
    "evaluate": (EvaluateConfig, _evaluate),
    "steer": (SteerConfig, _steer),
    "map": (MapConfig, _map),
    "watch": (WatchConfig, _watch),
    "play": (PlayConfig, _play),
    "methods": (MethodsConfig, _methods),
    "sweep": (SweepConfig, _sweep),
    "compare": (CompareConfig, _compare),
    "tensorboard": (TensorBoardConfig, _tensorboard),
}
"""Every command: what it is asked, and what it does."""


def main() -> None:
    """Parse the command line and run it; a request that cannot be met ends in one sentence and exit status 2."""
    try:
        command = _parse(sys.argv[1:])
        dict(COMMANDS.values())[type(command)](command)
    except RequestError as error:
        print(f"oversight-gym: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output, for example head, has left
        sys.stderr.close()
    except KeyboardInterrupt:
        print("oversight-gym: interrupted", file=sys.stderr)
        sys.exit(130)

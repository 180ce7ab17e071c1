"""The command ``oversight-gym``. Heavy imports wait until a command runs, so that ``--help`` is quick."""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

from oversight_gym.config import TrainConfig
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import check_integer
from oversight_gym.plan import SweepConfig

DESCRIPTION = "Train, steer and judge agents under partial oversight."


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


def _parse(arguments: list[str]) -> Any:
    """The command; ``train`` starts from the preset and ``sweep`` from the file that the arguments name."""
    named = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    named.add_argument("--preset", default="fast")
    named.add_argument("--config", type=Path)
    found = named.parse_known_args(arguments[1:])[0]
    defaults: dict[str, Any] = {}
    if arguments[:1] == ["train"]:
        defaults["train"] = TrainConfig.of(preset=found.preset)
    if arguments[:1] == ["sweep"] and found.config:
        defaults["sweep"] = SweepConfig.from_toml(found.config)
    kinds = {
        name: Annotated[kind, tyro.conf.subcommand(name, **({"default": defaults[name]} if name in defaults else {}))]
        for name, (kind, _) in COMMANDS.items()
    }
    union: Any = Union[tuple(kinds.values())]  # noqa: UP007 - made of a table
    return tyro.cli(union, prog="oversight-gym", description=DESCRIPTION, args=arguments)


def _train(config: TrainConfig) -> None:
    from oversight_gym.evaluation import evaluate
    from oversight_gym.report import print_steering
    from oversight_gym.train import train

    run = train(config)
    evaluation = evaluate(run.policy, run.config.grid, run.config.method_row.gates, gamma=run.config.settings.gamma)
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
    from oversight_gym.evaluation import ceilings, evaluate
    from oversight_gym.paper_metric import paper_metric
    from oversight_gym.report import print_report
    from oversight_gym.runs import load_run

    _set_threads(config.threads)
    run = load_run(config.run)
    gamma = run.config.settings.gamma
    how: dict[str, Any] = {"gamma": gamma, "oversight": config.oversight, "seed": config.seed}
    gates = run.config.method_row.gates
    evaluation = evaluate(run.policy, run.config.grid, gates, deterministic=config.greedy, **how)
    references = ceilings(run.config.grid, **how)
    paper = {}
    if config.paper_metric:
        paper = {gate: paper_metric(run.policy, run.config.grid, gate, gamma, config.seed) for gate in gates}
    if not config.json:
        print_report(run, evaluation, references)
        for gate, value in paper.items():
            print(f"Paper's metric, gate {gate}: {value:+.3f} (one sample of 512 windows of 32 steps)")
        return
    data = evaluation.to_json() | {
        "run": str(run.folder),
        "method": run.config.method,
        "uses_ground_truth": run.config.method_row.uses_hidden,
        "greedy": config.greedy,
        "labels": run.record["labels"],
        "ceilings": {name: reference.figures(name) for name, reference in references.items()},
    }
    print(json.dumps(data | ({"paper_metric": paper} if paper else {}), indent=2))


def _steer(config: SteerConfig) -> None:
    from oversight_gym.runs import load_run
    from oversight_gym.steering import steer

    _set_threads(config.threads)
    steer(load_run(config.run), config.out or config.run, config.expert_scale, config.points)


def _sweep(config: SweepConfig) -> None:
    from oversight_gym.sweep import sweep

    try:
        failed = sweep(config)
    except KeyboardInterrupt:
        print("oversight-gym: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    if failed:
        sys.exit(1)


def _compare(config: CompareConfig) -> None:
    from oversight_gym.compare import compare

    compare(config.folder, config.out or config.folder / "compare", config.baseline, config.paper)


def _tensorboard(config: TensorBoardConfig) -> None:
    from oversight_gym.tensorboard import serve

    serve(config.folder, config.port, config.host)


COMMANDS: dict[str, tuple[type, Callable[[Any], None]]] = {
    "train": (TrainConfig, _train),
    "evaluate": (EvaluateConfig, _evaluate),
    "steer": (SteerConfig, _steer),
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

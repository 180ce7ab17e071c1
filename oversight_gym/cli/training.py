"""``train`` and ``methods``."""

import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from oversight_gym.cli.common import PluginOptions, console, tool
from oversight_gym.envs import RequestError
from oversight_gym.runs.config import TrainConfig


@dataclass(frozen=True)
class TrainOptions(TrainConfig):
    """Train one agent and write its run folder."""

    from_: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Start from the settings of this run (its folder or config.json) instead of a preset's."""


def _own(config: TrainConfig) -> dict[str, object]:
    return {field.name: getattr(config, field.name) for field in fields(TrainConfig)}


def defaults(preset: str | None, method: str, world: str | None, start: Path | None) -> TrainOptions:
    """The defaults of ``train``'s options.

    Args:
        preset: None for the default.
        method: the method.
        world: the world; None for the preset's own.
        start: the run folder or ``config.json`` to start from instead. The plug-ins that it names are not imported.

    Raises:
        RequestError: if there is no such preset, method, world or run, or if a run is given together with a preset or
            world.
    """
    from oversight_gym.runs.folder import stored_config, stored_results_version
    from oversight_gym.runs.version import RESULTS_VERSION

    if start is None:
        return TrainOptions.of(preset=preset or TrainConfig.preset, method=method, world=world)
    for name, value in {"preset": preset, "world": world}.items():
        if value is not None:
            raise RequestError(f"`from` brings all settings of a run, and `{name}` others; give one of them.")
    folder = start if start.is_dir() else start.parent
    if (version := stored_results_version(folder)) != RESULTS_VERSION:
        note = f"{folder} has results version {version} and this program {RESULTS_VERSION}, so the numbers will differ."
        print(note, file=sys.stderr)
    return TrainOptions(**_own(stored_config(folder)) | {"run_dir": None, "plugin": ()})  # type: ignore[arg-type]


def train(options: TrainOptions) -> None:
    """Train, and print what the agent does at each gate."""
    from oversight_gym.evaluation.figures import evaluate
    from oversight_gym.evaluation.tables import gate_table
    from oversight_gym.runs.beginning import is_finished
    from oversight_gym.runs.train import train

    config = TrainConfig(**_own(options))  # type: ignore[arg-type]
    if config.resume and is_finished(config):
        print(f"{config.folder} is finished; there is nothing to go on with.")
    run = train(config)
    evaluation = evaluate(run.policy, run.config.env, run.config.gates, gamma=run.config.hyper.gamma)
    steps, seconds = run.record["steps"], run.record["seconds"]
    console().print(gate_table(f"{run.title}: {steps:,} steps in {seconds:.0f} s", evaluation))
    folder = shlex.quote(str(run.folder))
    print(f"Run folder: {folder}")
    plugins = "".join(f" --plugin {shlex.quote(name)}" for name in run.config.plugin)
    print(f"Details:    {tool('oversight-gym')} evaluate {folder}{plugins}")
    print(f"Watch it:   {tool('oversight-gym')} watch {folder}{plugins}")
    print(f"Curves:     {tool('oversight-gym')} tensorboard {folder}")


@dataclass(frozen=True)
class VerifyOptions(PluginOptions):
    """Check that a run is what its folder says, and train it again in a scratch folder to compare."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    repeat: bool = True
    """Train the run again; if not, only the files and the figures of the weights are checked."""
    within: float = 0.1
    """The largest allowed difference of a return or a probability if the run was trained with other versions."""


def verify(options: VerifyOptions) -> None:
    """Print the verdict; exits with status 1 if something does not hold."""
    from oversight_gym.cli.common import set_threads
    from oversight_gym.runs.folder import load_run
    from oversight_gym.runs.verify import verify_training, verify_weights

    run = load_run(options.run)
    set_threads(run.config.threads)
    verdict = verify_weights(run)
    print(verdict.sentence)
    if verdict.holds and options.repeat:
        print(f"Training it once more; the first time took {run.record['seconds']:.0f} s.", flush=True)
        verdict = verify_training(run, options.within)
        print(verdict.sentence)
    if not verdict.holds:
        sys.exit(1)


@dataclass(frozen=True)
class MethodsOptions(PluginOptions):
    """List the oversight methods: reward, training episodes, routing and gate of each."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Methods to list; default: all."""


def methods(options: MethodsOptions) -> None:
    """Print a description of each method."""
    from rich.padding import Padding

    from oversight_gym.agents.methods.builtin import METHODS
    from oversight_gym.envs.errors import choose

    out = console()
    for name in options.names or METHODS:
        try:
            method = choose("method", name, METHODS)
        except RequestError as error:
            if options.names:
                raise
            out.print(f"[bold]{name}[/bold]: {error}\n")  # a broken plug-in, which nobody has asked for
            continue
        marked = " (trains on the ground truth: an upper bound)" if method.uses_hidden else ""
        out.print(f"[bold]{method.name}[/bold]{marked}: {method.summary}")
        out.print(Padding(method.description, (0, 0, 0, 4), expand=False))
        out.print(Padding(method.facts, (0, 0, 1, 4), style="dim", expand=False))

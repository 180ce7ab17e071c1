"""``train`` and ``methods``."""

import shlex
from dataclasses import dataclass

import tyro

from oversight_gym.cli.common import PluginOptions, console, tool
from oversight_gym.envs import RequestError
from oversight_gym.runs.config import TrainConfig


def train(config: TrainConfig) -> None:
    """Train, and print what the agent does at each gate."""
    from oversight_gym.analysis.tables import gate_table
    from oversight_gym.evaluation.figures import evaluate
    from oversight_gym.runs.train import train

    run = train(config)
    evaluation = evaluate(run.policy, run.config.env, run.config.gates, gamma=run.config.hyper.gamma)
    steps, seconds = run.record["steps"], run.record["seconds"]
    console().print(gate_table(f"{run.title}: {steps:,} steps in {seconds:.0f} s", evaluation))
    folder = shlex.quote(str(run.folder))
    print(f"Run folder: {folder}")
    plugins = "".join(f" --plugin {shlex.quote(name)}" for name in run.config.plugin)
    print(f"Details:    {tool('oversight-gym')} evaluate {folder}{plugins}")
    print(f"Curves:     {tool('oversight-gym')} tensorboard {folder}")


@dataclass(frozen=True)
class MethodsOptions(PluginOptions):
    """List the oversight methods: what each rewards, trains on, routes and is used with."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Only these."""


def methods(options: MethodsOptions) -> None:
    """Print what each method is."""
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

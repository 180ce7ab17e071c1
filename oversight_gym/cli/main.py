"""The command line: from its words to a command, and from an error to a sentence.

Heavy imports wait until a command runs, so that ``--help`` is quick.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Union, get_type_hints

import tyro

from oversight_gym.cli import comparing, judging, looking, tensorboard, training
from oversight_gym.envs import RequestError
from oversight_gym.envs.registry import load_plugin
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.presets import Hyperparameters
from oversight_gym.runs.stopping import Interrupted, RunFailed
from oversight_gym.sweeps.plan import SweepConfig

PROGRAM = "oversight-gym"
DESCRIPTION = "Train, steer and judge agents under partial oversight."


def _sweep(config: SweepConfig) -> None:
    from oversight_gym.cli.sweeping import sweep

    sweep(config)


COMMANDS: dict[str, tuple[type, Callable[[Any], None]]] = {
    "train": (training.TrainOptions, training.train),
    "evaluate": (judging.EvaluateOptions, judging.evaluate),
    "steer": (judging.SteerOptions, judging.steer),
    "map": (looking.MapOptions, looking.map_),
    "watch": (looking.WatchOptions, looking.watch),
    "play": (looking.PlayOptions, looking.play),
    "verify": (training.VerifyOptions, training.verify),
    "methods": (training.MethodsOptions, training.methods),
    "sweep": (SweepConfig, _sweep),
    "compare": (comparing.CompareOptions, comparing.compare),
    "tensorboard": (tensorboard.TensorBoardOptions, tensorboard.serve),
}
"""Every command: what it is asked, and what it does."""


@dataclass(frozen=True)
class _Beforehand:
    """The options that decide what the others are, and start from."""

    plugin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    preset: str | None = None
    method: str = TrainConfig.method
    from_: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    config: Path | None = None


def _defaults(arguments: list[str]) -> dict[str, Any]:
    """What ``train`` and ``sweep`` start from: preset and method, or the file or run that the arguments name.

    Plug-ins are imported first, as they may bring the method. Presets are no subcommands of tyro, which takes no option
    of a subcommand that is left out: ``train --learning-rate 0.001`` would be refused.
    """
    if arguments[:1] in ([], ["--help"], ["-h"]):
        return {}
    found, _ = tyro.cli(_Beforehand, prog=PROGRAM, args=arguments[1:], return_unknown_args=True, add_help=False)
    for plugin in found.plugin:
        load_plugin(plugin)
    if arguments[:1] == ["train"]:
        return {"train": training.defaults(found.preset, found.method, found.from_)}
    if arguments[:1] == ["sweep"] and found.config:
        return {"sweep": SweepConfig.from_toml(found.config)}
    return {}


def _parse(arguments: list[str]) -> Any:
    """The options of the command that is asked for."""
    defaults = {name: {"default": default} for name, default in _defaults(arguments).items()}
    kinds = [
        Annotated[options, tyro.conf.subcommand(name, **defaults.get(name, {}))]
        for name, (options, _) in COMMANDS.items()
    ]
    union: Any = Union[tuple(kinds)]  # noqa: UP007 - made of a table
    return tyro.cli(union, prog=PROGRAM, description=DESCRIPTION, args=arguments)


def flags() -> dict[str, str]:
    """Every argument of a command, and how the command line writes it: ``run_dir`` as ``--run-dir``, ``run`` as RUN."""
    found = {}
    for options in (*(options for options, _ in COMMANDS.values()), Hyperparameters):
        hints = get_type_hints(options, include_extras=True)
        for field in fields(options):
            positional = tyro.conf.Positional in getattr(hints[field.name], "__metadata__", ())
            name = field.name.strip("_")
            found[name] = name.upper() if positional else f"--{name.replace('_', '-')}"
    return found


def for_the_command_line(message: str) -> str:
    """A sentence of the library, which writes arguments in backticks, with flags in their place."""
    written = flags()
    return re.sub(r"`(\w+)`", lambda word: written.get(word[1], word[1]), message)


def main() -> None:
    """Parse the command line and run it.

    A request that cannot be met ends in one sentence and exit status 2, a training that diverges in 1, an interrupted
    one in 128 and the signal's number.
    """
    try:
        options = _parse(sys.argv[1:])
        dict(COMMANDS.values())[type(options)](options)
    except RequestError as error:
        print(f"{PROGRAM}: {for_the_command_line(str(error))}", file=sys.stderr)
        sys.exit(2)
    except RunFailed as failure:
        print(f"{PROGRAM}: {failure}", file=sys.stderr)
        sys.exit(1)
    except Interrupted as end:
        print(f"{PROGRAM}: {end}", file=sys.stderr)
        sys.exit(end.status)
    except BrokenPipeError:  # the reader of our output, for example head, has left
        sys.stderr.close()
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        sys.exit(130)

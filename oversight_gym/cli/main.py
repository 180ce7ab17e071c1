"""The command line: parses its words, runs the command, and turns errors into sentences.

Slow imports are deferred until a command runs, so that ``--help`` is quick.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

from oversight_gym import __version__
from oversight_gym.cli import (
    auditing,
    comparing,
    demonstrating,
    describing,
    doctor,
    exporting,
    extracting,
    judging,
    listing,
    localising,
    looking,
    relearning,
    tensorboard,
    training,
)
from oversight_gym.cli.sentences import arguments_of, in_one_sentence, is_list, written
from oversight_gym.envs import RequestError
from oversight_gym.envs.fields import check_known
from oversight_gym.envs.registry import load_plugin
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.stopping import Interrupted, RunFailed
from oversight_gym.sweeps.plan import SweepConfig

PROGRAM = "oversight-gym"
DESCRIPTION = """Train, steer and judge agents under partial oversight.

oversight-gym COMMAND --help lists the options of a command, --version prints the version. Exit status: 0 done,
1 something was found wrong (a run of a sweep failed, a method peeks), 2 the request cannot be met, 130 interrupted."""


def _sweep(config: SweepConfig) -> None:
    from oversight_gym.cli.sweeping import sweep

    sweep(config)


COMMANDS: dict[str, tuple[type, Callable[[Any], None]]] = {
    "train": (training.TrainOptions, training.train),
    "evaluate": (judging.EvaluateOptions, judging.evaluate),
    "steer": (judging.SteerOptions, judging.steer),
    "impair": (localising.ImpairOptions, localising.impair),
    "map": (looking.MapOptions, looking.map_),
    "watch": (looking.WatchOptions, looking.watch),
    "play": (looking.PlayOptions, looking.play),
    "export": (exporting.ExportOptions, exporting.export),
    "runs": (listing.RunsOptions, listing.runs),
    "verify": (training.VerifyOptions, training.verify),
    "methods": (training.MethodsOptions, training.methods),
    "worlds": (describing.WorldsOptions, describing.worlds),
    "sweep": (SweepConfig, _sweep),
    "compare": (comparing.CompareOptions, comparing.compare),
    "extract": (extracting.ExtractOptions, extracting.extract),
    "relearn": (relearning.RelearnOptions, relearning.relearn),
    "audit": (auditing.AuditOptions, auditing.audit),
    "demonstrate": (demonstrating.DemonstrateOptions, demonstrating.demonstrate),
    "doctor": (doctor.DoctorOptions, doctor.doctor),
    "tensorboard": (tensorboard.TensorBoardOptions, tensorboard.serve),
}
"""Every command: the class of its options, and its function."""


@dataclass(frozen=True)
class _Beforehand:
    """The options that determine the other options and their defaults."""

    plugin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    preset: str | None = None
    method: str = TrainConfig.method
    world: str | None = None
    from_: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    config: Path | None = None


def _defaults(arguments: list[str]) -> dict[str, Any]:
    """The defaults of ``train`` and ``sweep``, from the preset, method and world, or from the file or run that the
    arguments name.

    Plug-ins are imported first, because they may define the method. Presets are not subcommands of tyro, because it
    accepts options of a subcommand only if the subcommand is named: ``train --learning-rate 0.001`` would be refused.
    """
    name, *words = arguments
    if name.startswith("-"):
        return {}
    found, _ = in_one_sentence(
        lambda: tyro.cli(_Beforehand, prog=PROGRAM, args=words, return_unknown_args=True, add_help=False),
        _Beforehand,
    )
    for plugin in found.plugin:
        load_plugin(plugin)
    if name == "train":
        return {"train": training.defaults(found.preset, found.method, found.world, found.from_)}
    if name == "sweep" and found.config:
        return {"sweep": SweepConfig.from_toml(found.config)}
    return {}


def _check_given_once(words: list[str], options: type) -> None:
    """Refuse a list that is given twice, because tyro would ignore the first part."""
    for name, kind in arguments_of(options).items():
        flag = f"--{name.replace('_', '-')}"
        if is_list(kind) and sum(word.split("=")[0].replace("_", "-") == flag for word in words) > 1:
            raise RequestError(f"{flag} is given twice; give all its values at once.")


def _parse(arguments: list[str]) -> Any:
    """The options of the requested command; ``--help`` if no command is given.

    Raises:
        RequestError: if there is no such command, or it has no such option.
    """
    arguments = arguments or ["--help"]
    if arguments[0] == "--version":
        print(f"{PROGRAM} {__version__}")
        sys.exit()
    if not arguments[0].startswith("-"):
        check_known(arguments[0], COMMANDS, "a command")
        _check_given_once(arguments, COMMANDS[arguments[0]][0])
    defaults = {name: {"default": default} for name, default in _defaults(arguments).items()}
    kinds = [
        Annotated[options, tyro.conf.subcommand(name, **defaults.get(name, {}))]
        for name, (options, _) in COMMANDS.items()
    ]
    union: Any = Union[tuple(kinds)]  # noqa: UP007 - made of a table
    options = COMMANDS.get(arguments[0], (_Beforehand,))[0]
    return in_one_sentence(lambda: tyro.cli(union, prog=PROGRAM, description=DESCRIPTION, args=arguments), options)


def flags() -> dict[str, str]:
    """Every argument of any command, and its form on the command line."""
    return {name: flag for options, _ in COMMANDS.values() for name, flag in written(options).items()}


def for_the_command_line(message: str) -> str:
    """A sentence of the library, in which arguments in backticks are replaced by flags."""
    known = flags()
    return re.sub(r"`(\w+)`", lambda word: known.get(word[1], word[1]), message)


def main() -> None:
    """Parse the command line and run it.

    A request that cannot be met ends with one sentence and exit status 2. The status is 1 if training diverges, and 128
    plus the signal's number if it is interrupted.
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

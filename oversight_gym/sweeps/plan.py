"""What a sweep is asked to do, and the runs that this means."""

import itertools
import json
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import check_integer, choose
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.presets import PRESETS, Hyperparameters


@dataclass(frozen=True)
class SweepConfig:
    """Train every combination of methods, oversight levels, seeds and settings; go on where an earlier call stopped.

    Raises:
        RequestError: if a value is impossible.
    """

    out: Path = Path("runs/sweep")
    """Folder of the sweep; each run gets its own below it."""
    methods: tuple[str, ...] = ("routing", "naive", "filtering", "oracle")
    """Oversight methods."""
    oversight: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    """Oversight levels."""
    seeds: int = 5
    """Seeds 0 to this minus one."""
    preset: Annotated[str, tyro.conf.arg(help=f"Where settings start from: {', '.join(PRESETS)}.")] = "fast"
    set: tuple[str, ...] = ()
    """Further fields of 'oversight-gym train': NAME=VALUE, or NAME=VALUE,VALUE to sweep over them."""
    config: Path | None = None
    """TOML file with fields of this command; options given on the command line go first."""
    workers: int = 2
    """Runs side by side, each on one torch thread."""
    executor: Literal["local", "ray"] = "local"
    """Where runs are executed: on this machine, or as tasks of a Ray cluster (extra 'ray')."""
    address: str | None = None
    """Ray cluster to join, for example auto; none starts one on this machine."""
    storage: Literal["shared", "collect"] = "shared"
    """Ray: nodes write to --out themselves (a file system they share), or results are sent back."""
    gpus: float = 0.0
    """Ray: share of a GPU per run, for --set device=cuda."""
    dry_run: bool = False
    """Print the plan and stop."""

    def __post_init__(self) -> None:
        for method in self.methods:
            choose("method", method, METHODS)
        for name in ("methods", "oversight"):
            if not getattr(self, name):
                raise RequestError(f"{name} is empty; give at least one.")
        check_integer("seeds", self.seeds, 1)
        check_integer("workers", self.workers, 1)
        if self.gpus < 0:
            raise RequestError(f"gpus is {self.gpus}; it must be 0 or more.")

    @classmethod
    def from_toml(cls, path: Path) -> "SweepConfig":
        """The config of a TOML file; its table ``set`` holds training fields.

        Raises:
            RequestError: if the file cannot be read, or holds what no sweep has.
        """
        try:
            values = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise RequestError(f"{path} cannot be read ({error}); give a TOML file.") from None
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise RequestError(f"{path} holds {unknown[0]!r}, which is no option of 'oversight-gym sweep'; see --help.")
        changed = values.pop("set", {})
        if not isinstance(changed, dict):
            raise RequestError(f"{path}: set is {changed!r}; make it a table, for example [set].")
        try:
            values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            values["out"] = Path(values.get("out", cls.out))
            return cls(set=tuple(f"{name}={json.dumps(value)}" for name, value in changed.items()), **values)
        except TypeError as error:
            raise RequestError(
                f"{path} holds a value of the wrong kind ({error}); see 'oversight-gym sweep --help'."
            ) from None


_TUPLES = {field.name for field in fields(Hyperparameters) if "tuple" in str(field.type)}
_FIXED = {"method", "oversight", "seed", "preset", "run_dir", "overwrite", "resume", "hyper"}
_NAMES = {field.name for field in (*fields(TrainConfig), *fields(Hyperparameters))} - _FIXED


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def options_of(assignment: str) -> tuple[str, list[Any]]:
    """Name and values of ``NAME=VALUE``, ``NAME=VALUE,VALUE`` or ``NAME=[JSON]``.

    A list is several values, but for a field that is itself a list (``hidden``, ``gate_hidden``, ``size``): there a
    flat list is one value, a list of lists several.

    Raises:
        RequestError: if it is no assignment or names no training field.
    """
    name, equals, text = assignment.partition("=")
    name = name.strip().replace("-", "_")
    if not equals:
        raise RequestError(f"set is {assignment!r}; write NAME=VALUE, for example learning_rate=0.001.")
    if name not in _NAMES:
        raise RequestError(f"set names {name!r}; choose a field of 'oversight-gym train' such as learning_rate.")
    value = _value(text) if not ("," in text and "[" not in text) else [_value(part) for part in text.split(",")]
    if name not in _TUPLES:
        return name, value if isinstance(value, list) else [value]
    if not isinstance(value, list):
        value = [value]
    nested = any(isinstance(part, list) for part in value)
    return name, [tuple(part) if isinstance(part, list) else (part,) for part in value] if nested else [tuple(value)]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def runs_of(sweep: SweepConfig) -> dict[str, TrainConfig]:
    """Every run of a sweep by its name below the sweep's folder, seeds first, so that a broken-off sweep is even.

    Raises:
        RequestError: if a setting is impossible.
    """
    options = dict(map(options_of, sweep.set))
    swept = [name for name, values in options.items() if len(values) > 1]
    runs: dict[str, TrainConfig] = {}
    for seed, oversight, method in itertools.product(range(sweep.seeds), sweep.oversight, sweep.methods):
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            try:
                run = TrainConfig.of(
                    method=method, oversight=oversight, seed=seed, preset=sweep.preset, resume=True, **chosen
                )
            except TypeError as error:
                raise RequestError(f"set is {sweep.set}, with a value of the wrong kind ({error}).") from None
            level, _, rest = run.name.rpartition("/seed=")
            name = "/".join([level, *(f"{key}={_text(chosen[key])}" for key in swept), f"seed={rest}"])
            runs[name] = run.written_to(sweep.out / name)
    return runs

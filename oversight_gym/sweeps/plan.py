"""The config of a sweep, and the runs that it consists of."""

import itertools
import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro
from msgspec import Meta

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.envs.fields import (
    Checked,
    Count,
    NotNegative,
    Positive,
    Probability,
    Seed,
    check_known,
    field_types,
    typed,
    typed_text,
)
from oversight_gym.envs.registry import load_plugin
from oversight_gym.files import read_text
from oversight_gym.runs.config import FIELDS, Tracker, TrainConfig
from oversight_gym.runs.presets import PRESETS

MOST_RUNS = 10_000

Workers = Annotated[int, Meta(ge=1, le=4096)]


@dataclass(frozen=True)
class SweepConfig(Checked):
    """Train every combination of methods, oversight levels, seeds and settings; continue where an earlier call stopped.

    Raises:
        RequestError: if a value is impossible.
    """

    out: Path = Path("runs/sweep")
    """Folder of the sweep; each run gets its own below it."""
    methods: Annotated[tuple[str, ...], Meta(min_length=1)] = ("routing", "naive", "filtering", "oracle")
    """Oversight methods."""
    oversight: Annotated[tuple[Probability, ...], Meta(min_length=1)] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    """Oversight levels."""
    seeds: Count = 5
    """Number of seeds, which count from 0."""
    seed: tuple[Seed, ...] = ()
    """A list of seeds instead, for example 5 6 7."""
    preset: Annotated[str, tyro.conf.arg(help="Where settings start from: " + ", ".join(PRESETS) + ".")] = "fast"
    set: tuple[str, ...] = ()
    """Further settings of a training run: NAME=VALUE, or NAME=VALUE,VALUE to sweep over them."""
    config: Path | None = None
    """TOML file with fields of this command; options on the command line override it."""
    workers: Workers = 2
    """Runs side by side, each on one torch thread."""
    plugin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Module, or path of a .py file, whose methods and parts join the built-in ones; give it again for another."""
    track: tyro.conf.UseAppendAction[tuple[Tracker, ...]] = ()
    """Also log every run to this tracker, Weights & Biases or MLflow; give it again for the other."""
    executor: Literal["local", "ray", "slurm"] = "local"
    """Where runs are executed: on this machine, on a Ray cluster (extra 'ray'), as SLURM jobs (extra 'slurm')."""
    address: str | None = None
    """Ray cluster to join, for example auto; none starts one on this machine."""
    storage: Literal["shared", "collect"] = "shared"
    """Ray: nodes write to --out themselves (a file system they share), or results are sent back."""
    gpus: NotNegative = 0.0
    """GPUs per run, for --set device=cuda; of Ray also a share of one."""
    partition: str | None = None
    """SLURM: partition to submit to; the cluster's default if none is given."""
    minutes: Annotated[int, Meta(ge=5, le=10**6)] = 60
    """SLURM: time limit of a job; a run that needs longer goes on in a next one."""
    cpus: Count = 1
    """SLURM: processors per run."""
    memory: Positive = 2.0
    """SLURM: GB of memory per run."""
    sbatch: tuple[str, ...] = ()
    """SLURM: further options of sbatch, for example account=lab qos=long."""
    dry_run: bool = False
    """Print the plan and stop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for method in self.methods:
            choose("method", method, METHODS)
        choose("preset", self.preset, PRESETS)
        for name in ("methods", "oversight", "seed"):
            _check_distinct(name, getattr(self, name))

    @property
    def all_seeds(self) -> Sequence[int]:
        """The seeds of every combination."""
        return self.seed or range(self.seeds)

    @classmethod
    def from_toml(cls, path: Path) -> "SweepConfig":
        """The config of a TOML file; its table ``set`` holds training settings. Its plug-ins are imported.

        Raises:
            RequestError: if the file cannot be read, or holds something that is not a setting of a sweep.
        """
        try:
            values = tomllib.loads(read_text(path))
        except (OSError, ValueError, RecursionError) as error:
            raise RequestError(f"{path} cannot be read ({error}); give a TOML file.") from None
        kinds = field_types(cls) | {"set": dict[str, Any]}
        for name in values:
            check_known(name, kinds, f"a setting of a sweep ({path})")
        values = {name: typed(name, value, kinds[name]) for name, value in values.items()}
        for plugin in values.get("plugin", ()):
            load_plugin(plugin)
        changed = values.pop("set", {})
        return cls(set=tuple(f"{name}={json.dumps(value)}" for name, value in changed.items()), **values)


def _check_distinct(name: str, values: Sequence[Any]) -> None:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise RequestError(f"{name} lists {value!r} twice; give each value once.")


_FIXED = {"method", "oversight", "seed", "preset", "run_dir", "overwrite", "resume", "plugin", "track"}
_SETTINGS = {name: kind for name, kind in FIELDS.items() if name not in _FIXED}
"""The settings that ``set`` can name, and their types."""


def options_of(assignment: str) -> tuple[str, list[Any]]:
    """The name and the values of ``NAME=VALUE``, ``NAME=VALUE,VALUE`` or ``NAME=[JSON]``.

    A list stands for several values. If the field is itself a list (``layers``, ``gate_layers``, ``size``), a flat list
    is one value and a list of lists stands for several.

    Raises:
        RequestError: if it is no assignment, names no training setting, lists no value or one twice, or a value is of
            the wrong type.
    """
    name, equals, text = assignment.partition("=")
    name = name.strip().replace("-", "_")
    if not equals:
        raise RequestError(f"set is {assignment!r}; write NAME=VALUE, for example learning_rate=0.001.")
    check_known(name, _SETTINGS, "a training setting that `set` can change")
    values = _values(name, _listed(text), _SETTINGS[name])
    if not values:
        raise RequestError(f"set is {assignment!r}, which lists no value; give one, or leave {name} out.")
    _check_distinct(name, values)
    return name, values


def _values(name: str, values: list[Any], kind: Any) -> list[Any]:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(bare) is not tuple:
        return [_typed(name, value, kind) for value in values]
    if any(isinstance(value, list) for value in values):
        return [typed(name, value if isinstance(value, list) else [value], kind) for value in values]
    return [typed(name, [_typed(name, value, get_args(bare)[0]) for value in values], kind)]


def _typed(name: str, value: Any, kind: Any) -> Any:
    return typed_text(name, value.strip(), kind) if isinstance(value, str) else typed(name, value, kind)


def _listed(text: str) -> list[Any]:
    """The values of an assignment: of a list in JSON, one value in JSON, or the words between commas."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return text.split(",")
    return values if isinstance(values, list) else [text]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


def runs_of(sweep: SweepConfig) -> dict[str, TrainConfig]:
    """Every run of a sweep by its name below the sweep's folder. Seeds come first in the order, so that a sweep that is
    stopped early covers all settings evenly.

    Raises:
        RequestError: if a setting is impossible.
    """
    options: dict[str, list[Any]] = {}
    for name, listed in map(options_of, sweep.set):
        if name in options:
            raise RequestError(f"set names {name} twice; give all its values at once.")
        options[name] = listed
    number = math.prod(map(len, (sweep.all_seeds, sweep.oversight, sweep.methods, *options.values())))
    if number > MOST_RUNS:
        raise RequestError(f"this is a sweep of {number:,} runs; at most {MOST_RUNS:,} can be planned.")
    plugins = tuple(str(Path(name).resolve()) if name.endswith(".py") else name for name in sweep.plugin)
    swept = [name for name, values in options.items() if len(values) > 1]
    runs: dict[str, TrainConfig] = {}
    for seed, oversight, method in itertools.product(sweep.all_seeds, sweep.oversight, sweep.methods):
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            run = TrainConfig.of(
                method=method,
                oversight=oversight,
                seed=seed,
                preset=sweep.preset,
                resume=True,
                plugin=plugins,
                track=sweep.track,
                **chosen,
            )
            level, _, rest = run.name.rpartition("/seed=")
            name = "/".join([level, *(f"{key}={_text(chosen[key])}" for key in swept), f"seed={rest}"])
            runs[name] = run.written_to(sweep.out / name)
    return runs

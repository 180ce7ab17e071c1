"""The config of a training run."""

import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import tyro
from msgspec import Meta

from oversight_gym.agents.methods.builtin import METHODS, Method
from oversight_gym.agents.ppo.defects import CUT
from oversight_gym.envs import ENV_ID, EnvConfig, RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.envs.fields import Checked, Count, Probability, Seed, Threads, check_known, field_types, typed
from oversight_gym.envs.world.kinds import most_valuable_first
from oversight_gym.envs.worlds import WORLDS, world_id
from oversight_gym.evaluation.selection import SELECTIONS
from oversight_gym.runs.presets import ENV_FIELDS, FAST, PRESETS, Hyperparameters, preset_hyperparameters

Tracker = Literal["wandb", "mlflow"]


def level_name(oversight: float) -> str:
    """An oversight level as text that sorts like the number: with at least two decimals, and more if needed."""
    return np.format_float_positional(oversight, min_digits=2)


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Train one agent and write its run folder.

    Raises:
        RequestError: if a value is impossible.
    """

    method: Annotated[str, tyro.conf.arg(help="Oversight method: " + ", ".join(METHODS) + ".")] = "routing"
    oversight: Probability = 0.1
    """Probability that a terminal square is under oversight."""
    seed: Seed = 0
    """Seed of every random draw; the same seed gives the same numbers."""
    preset: Annotated[str, tyro.conf.arg(help="Where the settings below start from: " + ", ".join(PRESETS) + ".")] = (
        "fast"
    )
    world: Annotated[str | None, tyro.conf.arg(help="World that the grid is set to: " + ", ".join(WORLDS) + ".")] = None
    run_dir: Path | None = None
    """Run folder. Default: runs/OversightGrid-v0/oversight=P/METHOD/seed=S, or runs/WORLD-v0/..."""
    overwrite: bool = False
    """Replace a run folder that holds a finished run."""
    resume: bool = False
    """Continue from the last checkpoint of an interrupted run in the folder, if there is one."""
    device: str = "cpu"
    """Torch device: cpu, cuda or cuda:N."""
    threads: Threads = 1
    """Torch threads; one is fastest for networks of this size."""
    evaluations: Count = 10
    """Number of evaluations, spread evenly over training."""
    select: Annotated[str, tyro.conf.arg(help="Which checkpoint counts: " + ", ".join(SELECTIONS) + ".")] = "last"
    select_labels: Annotated[int, Meta(ge=2, le=10**9)] = 100
    """Labels, at least 2, that each evaluation may spend for --select overseen; their sum is in the run's ledger."""
    keep_weights: bool = False
    """Keep the policy's weights of every evaluation, in weights/ of the run folder."""
    plugin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Module, or path of a .py file, whose methods and parts join the built-in ones; give it again for another."""
    track: tyro.conf.UseAppendAction[tuple[Tracker, ...]] = ()
    """Also log to this tracker, Weights & Biases or MLflow, through its own client; give it again for the other."""
    hyper: Annotated[Hyperparameters, tyro.conf.arg(name="")] = FAST
    """Hyperparameters and environment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("method", self.method, METHODS)
        choose("preset", self.preset, PRESETS)
        choose("select", self.select, SELECTIONS)
        if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", self.device):
            raise RequestError(f"device is {self.device!r}; choose cpu, cuda or cuda:N.")
        _ = self.env  # raises if the environment is impossible

    @classmethod
    def of(cls, **values: Any) -> Self:
        """The config with these values of its own fields and of ``Hyperparameters``; the rest from the preset.

        Raises:
            RequestError: if a name is unknown or a value impossible.
        """
        for name in values:
            check_known(name, FIELDS, "a training setting")
        checked = {name: typed(name, value, FIELDS[name]) for name, value in values.items()}
        preset, method = checked.get("preset", cls.preset), checked.get("method", cls.method)
        changed = {name: checked.pop(name) for name in values if name in _HYPER}
        plain = preset_hyperparameters(preset, method, checked.get("world"))
        return cls(**checked, hyper=replace(plain, **changed))

    @property
    def plain(self) -> "TrainConfig":
        """The config of the same method, preset and world without further changes."""
        return TrainConfig.of(preset=self.preset, method=self.method, world=self.world)

    @property
    def method_row(self) -> Method:
        return METHODS[self.method]

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the experts, the most valuable kind's first."""
        return self.method_row.expert_names(self.env)

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates to evaluate at: ``free``, and every expert if there are several."""
        return self.method_row.gates_in(self.env)

    @property
    def gate(self) -> str:
        """The gate that the trained policy is used with."""
        return self.method_row.gate_in(self.env)

    @property
    def unwanted(self) -> str:
        """The least valuable kind of terminal."""
        return most_valuable_first(self.hyper.kinds)[-1]

    @property
    def uses_ground_truth(self) -> bool:
        """Whether training or the choice of a checkpoint uses something that no supervisor sees."""
        return self.method_row.uses_hidden or self.select == "oracle"

    @property
    def name(self) -> str:
        """A run's name: by oversight level, then method, then seed."""
        return f"oversight={level_name(self.oversight)}/{self.method}/seed={self.seed}"

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.run_dir or Path("runs", ENV_ID if self.world is None else world_id(self.world), self.name)

    def written_to(self, folder: Path) -> "TrainConfig":
        """The same run in another folder."""
        return replace(self, run_dir=folder)

    @cached_property
    def env(self) -> EnvConfig:
        """The environment's settings."""
        asked = {theirs: getattr(self.hyper, ours) for ours, theirs in ENV_FIELDS.items()}
        return self.method_row.env(EnvConfig(**asked, oversight_probability=self.oversight))

    def to_json(self) -> dict[str, Any]:
        """One flat object of plain JSON, the inverse of :meth:`from_json`."""
        values = asdict(self)
        hyper: dict[str, Any] = values.pop("hyper")
        return values | hyper | {"run_dir": None if self.run_dir is None else str(self.run_dir)}

    def differences(self, other: "TrainConfig") -> dict[str, tuple[Any, Any]]:
        """The settings in which two configs differ and which affect the numbers, by name: my value and the other's."""
        mine, theirs = self.to_json(), other.to_json()
        names = (name for name in mine if name not in NON_RESULT_FIELDS and mine[name] != theirs[name])
        return {name: (mine[name], theirs[name]) for name in names}

    def command(self) -> list[str]:
        """The words of a command line that repeats the run."""
        words = ["oversight-gym", "train", *(word for name in self.plugin for word in ("--plugin", name))]
        plain = self.plain.to_json()
        for name, value in self.to_json().items():
            if (name in _ALWAYS and value is not None) or (name not in NON_RESULT_FIELDS and value != plain[name]):
                flag = name.replace("_", "-")
                if isinstance(value, bool):
                    words.append(f"--{flag}" if value else f"--no-{flag}")
                else:
                    words += [f"--{flag}", *map(str, value if isinstance(value, list | tuple) else [value])]
        return words

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrainConfig":
        """The config from :meth:`to_json`'s object; errors as in :meth:`of`."""
        return cls.of(**_as_written_today(values))


def _as_written_today(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a run folder in the present form, whichever version wrote them."""
    written = _BEFORE | {_FORMER_NAMES.get(name, name): value for name, value in values.items()}
    if isinstance(written.get("paper_compat"), bool):  # then it was one defect, on or off
        written["paper_compat"] = [CUT] if written["paper_compat"] else []
    return written


UNTRACKED = ("run_dir", "overwrite", "resume", "track")
"""The fields that belong to one call and are no property of its run: folders may be moved."""
NON_RESULT_FIELDS = (*UNTRACKED, "keep_weights", "plugin")
"""The fields that determine where and how a run is written and what is imported, but not what it computes."""
_HYPER = field_types(Hyperparameters)
FIELDS = {name: kind for name, kind in field_types(TrainConfig).items() if name != "hyper"} | _HYPER
"""Every training setting by name, and its type."""
_FORMER_NAMES = {"hidden": "layers", "gate_hidden": "gate_layers", "value_hidden": "value_layers"}
"""The former names of fields, in run folders that were written before they were renamed."""
_BEFORE = {"zero_bias": False}
"""The values of runs that were trained before these were settings, where a preset now differs."""
_ALWAYS = ("method", "oversight", "seed", "preset", "world")
"""The fields that a command line always names, if they are set."""

"""Run folders: what a finished training run leaves behind, written whole, read without unpickling anything.

A folder holds ``config.json``, ``model.safetensors``, ``evaluations.csv``, ``progress.csv``, TensorBoard event
files and, written last, ``finished.json``; while it is trained, a checkpoint.
"""

import json
import platform
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oversight_gym.envs import RequestError
from oversight_gym.files import write_json, write_whole
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.version import commit

if TYPE_CHECKING:
    from torch import nn

    from oversight_gym.agents.policies.policy import GatedMixturePolicy

CONFIG, MODEL, FINISHED = "config.json", "model.safetensors", "finished.json"
BEST = "best.safetensors"
EVALUATIONS, EVENTS = "evaluations.csv", "events.out.tfevents.*"
WEIGHTS = "weights"
_PARTS = ".*.part"
_WRITTEN = (FINISHED, "*.safetensors", f"{WEIGHTS}/*.safetensors", "*.csv", EVENTS, "steering*", "map.*", _PARTS)
_PACKAGES = ("oversight-gym", "gymnasium", "numpy", "safetensors", "stable-baselines3", "torch")


def versions() -> dict[str, str]:
    """Versions of everything that decides a run's numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "commit": commit()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _is_empty(folder: Path) -> bool:
    """But for what a process left that was killed while it wrote its first file."""
    return all(path.match(_PARTS) for path in folder.iterdir())


def _is_run(folder: Path) -> bool:
    try:
        return {"config", "method", "versions"} <= set(json.loads((folder / CONFIG).read_text()))
    except (OSError, ValueError, TypeError):
        return False


def prepare_folder(config: TrainConfig, resumed: bool = False) -> None:
    """Make a run folder with nothing of an earlier run in it but a new ``config.json``; or keep what is to be resumed.

    Raises:
        RequestError: if the folder holds a finished run and ``overwrite`` is off, or something else.
    """
    folder = config.folder
    if folder.exists() and not (folder.is_dir() and (_is_empty(folder) or _is_run(folder))):
        raise RequestError(f"{folder} exists and is no run folder; choose another `run_dir`.")
    if (folder / FINISHED).exists() and not config.overwrite:
        raise RequestError(f"{folder} holds a finished run; set `overwrite` or choose another `run_dir`.")
    record = {
        "config": config.to_json() | {"run_dir": None},  # run folders may be moved
        "method": config.method_row.summary,
        "uses_ground_truth": config.uses_ground_truth,
        "command": shlex.join(config.command()),
        "versions": versions(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in [_PARTS] if resumed else _WRITTEN:  # the completion record goes first: what remains never
        for path in folder.glob(pattern):  # looks finished
            path.unlink()
    write_json(folder / CONFIG, record)


def check_same(asked: TrainConfig, found: TrainConfig, folder: Path) -> None:
    """Refuse a folder whose run is not the one asked for.

    Raises:
        RequestError: naming the first difference.
    """
    for name, (mine, theirs) in asked.differences(found).items():
        raise RequestError(
            f"{folder} was trained with {name} {theirs}, not {mine}; choose another folder, or the same {name}."
        )


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        config: what was asked.
        policy: the trained policy, on the CPU.
        record: the content of ``finished.json``.
    """

    folder: Path
    config: TrainConfig
    policy: "GatedMixturePolicy"
    record: dict[str, Any]

    @property
    def title(self) -> str:
        """One line that names it."""
        config = self.config
        marked = " (trained on the ground truth: an upper bound)" if config.method_row.uses_hidden else ""
        chosen = {"overseen": ", best overseen", "oracle": ", chosen by the ground truth"}.get(config.select, "")
        return f"{config.method}{marked}{chosen}, oversight {config.oversight:g}, seed {config.seed}"


def _read_json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RequestError(f"{path.parent} has no {path.name}, {what}.") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} cannot be read ({error}); train the run again.") from None


def stored_config(folder: Path) -> TrainConfig:
    """The config that a run folder was written with.

    Raises:
        RequestError: if it is no run folder or broken.
    """
    stored = _read_json(folder / CONFIG, "so it is no run folder; give one that a training run wrote")
    try:
        values = stored["config"]
        plugins = ", ".join(values.get("plugin", ()))
        return TrainConfig.from_json(values).written_to(folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise _broken(folder, error) from None
    except RequestError as error:
        if not plugins:
            raise
        raise RequestError(f"{folder} was trained with a plug-in; give `plugin` {plugins} ({error})") from None


def is_finished(config: TrainConfig) -> bool:
    """Whether a config's folder holds its finished run.

    Raises:
        RequestError: if it holds the finished run of another config.
    """
    if not (config.folder / FINISHED).exists():
        return False
    check_same(config, stored_config(config.folder), config.folder)
    return True


def _broken(folder: Path, error: Exception) -> RequestError:
    return RequestError(f"{folder} is broken ({str(error).splitlines()[0]}); train the run again.")


def _policy(config: TrainConfig, weights: Path) -> "GatedMixturePolicy":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from oversight_gym.runs.build import make_policy

    policy = make_policy(config)
    try:
        policy.load_state_dict(load_file(weights))
    except FileNotFoundError:
        raise RequestError(f"{config.folder} has no {weights.name}; train the run again.") from None
    except (SafetensorError, RuntimeError) as error:
        raise _broken(config.folder, error) from None
    policy.set_training_mode(False)
    return policy


def load_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RequestError: if it is missing, unfinished or broken.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give a run folder, for example one below runs/.")
    config = stored_config(folder)
    record = _read_json(folder / FINISHED, "so its training has not finished; train it again")
    return Run(folder, config, _policy(config, folder / MODEL), record)


def weights_name(step: int) -> str:
    """The file below a run folder that keeps the weights of a training step."""
    return f"{WEIGHTS}/step={step:012d}.safetensors"


def kept_weights(run: Run) -> Iterator[tuple[int, "GatedMixturePolicy"]]:
    """Training step and policy of every evaluation, in order; empty unless the run was told to keep them."""
    for path in sorted((run.folder / WEIGHTS).glob("*.safetensors")):
        yield int(path.stem.removeprefix("step=")), _policy(run.config, path)


def write_weights(path: Path, policy: "nn.Module") -> None:
    """A policy's parameters as safetensors, written whole."""
    from safetensors.torch import save

    path.parent.mkdir(exist_ok=True)
    write_whole(path, save({name: tensor.cpu().contiguous() for name, tensor in policy.state_dict().items()}))

"""Run folders: the files of a finished training run, written atomically and read without unpickling anything.

A folder holds ``config.json``, ``model.safetensors``, ``evaluations.csv``, ``progress.csv``, TensorBoard event
files and, written last, ``finished.json``; while it is trained, a checkpoint.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oversight_gym.envs import RequestError
from oversight_gym.evaluation.shown import Shown
from oversight_gym.files import printable, write_whole
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CONFIG, FAILED, KEPT, MODEL
from oversight_gym.runs.record import broken, failure, finished_record, parsed, read_file

if TYPE_CHECKING:
    from torch import Tensor

    from oversight_gym.agents.policies.policy import GatedMixturePolicy

PACKAGED = Path(__file__).with_name("packaged")
"""The folder of a routed agent that comes with the package; ``scripts/packaged_agent.py`` trains it."""


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """A finished run.

    Attributes:
        folder: the run folder.
        config: the run's config.
        policy: the trained policy, on the CPU.
        record: the content of ``finished.json``.
    """

    folder: Path
    config: TrainConfig
    policy: "GatedMixturePolicy"
    record: dict[str, Any]

    @property
    def title(self) -> str:
        """One line that describes the run."""
        config = self.config
        marked = " (trained on the ground truth: an upper bound)" if config.method_row.uses_hidden else ""
        chosen = {"overseen": ", best overseen", "oracle": ", chosen by the ground truth"}.get(config.select, "")
        world = "" if config.world is None else f" in {config.world}"
        return f"{config.method}{world}{marked}{chosen}, oversight {config.oversight:g}, seed {config.seed}"

    def _shown(self) -> list[str]:
        return [f"{self.title}: {self.record['steps']:,} steps, {printable(self.folder)}"]


def config_record(folder: Path, checked: bool = True) -> dict[str, Any]:
    """The content of ``config.json``."""
    if not (folder / CONFIG).exists():
        raise RequestError(f"{folder} has no {CONFIG}, so it is no run folder; give one that a training run wrote.")
    return parsed(read_file(folder, CONFIG, checked), folder / CONFIG)


def stored_config(folder: Path, checked: bool = True) -> TrainConfig:
    """The config that a run folder was written with.

    Args:
        folder: the run folder.
        checked: whether the config of a finished run must match its digest; if not, any readable config will do.

    Raises:
        RequestError: if it is not a run folder, or damaged.
    """
    stored = config_record(folder, checked)
    plugins = ""
    try:
        values = stored["config"]
        plugins = ", ".join(values.get("plugin", ()))
        return TrainConfig.from_json(values).written_to(folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise broken(folder, error) from None
    except RequestError as error:
        if not plugins:
            raise
        raise RequestError(f"{folder} was trained with a plug-in; give `plugin` {plugins} ({error})") from None


def stored_results_version(folder: Path) -> int:
    """The results version that a run was trained under; errors as :func:`stored_config`."""
    version = config_record(folder).get("results_version", 1)
    if not isinstance(version, int):
        raise broken(folder, f"its results version is {version!r}")
    return version


def stored_versions(folder: Path) -> list[dict[str, str]]:
    """The versions that a run was trained with: those of its first part, and of every later part with other versions.

    Raises:
        RequestError: if it is not a run folder, or damaged.
    """
    stored = config_record(folder)
    try:
        return [dict(stored["versions"]), *(dict(part["versions"]) for part in stored.get("resumed", ()))]
    except (KeyError, TypeError, ValueError) as error:
        raise broken(folder, error) from None


def _policy(config: TrainConfig, name: str) -> "GatedMixturePolicy":
    from safetensors import SafetensorError
    from safetensors.torch import load

    from oversight_gym.runs.build import make_policy

    policy = make_policy(config)
    try:
        weights = load(read_file(config.folder, name))
        for key, wanted in policy.state_dict().items():
            if key in weights and weights[key].dtype != wanted.dtype:
                raise ValueError(f"{key} of {name} is of {weights[key].dtype}, not {wanted.dtype}")
            if key in weights and not weights[key].isfinite().all():
                raise ValueError(f"{key} of {name} is not finite")
        policy.load_state_dict(weights)
    except RequestError:
        raise
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise broken(config.folder, error) from None
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
    if (folder / FAILED).exists():
        raise RequestError(f"{folder} holds a run that failed: {failure(folder)}.")
    record = finished_record(folder)
    return Run(folder, config, _policy(config, MODEL), record)


def kept_weights(run: Run) -> Iterator[tuple[int, "GatedMixturePolicy"]]:
    """Training step and policy of every evaluation, in order; empty unless the run was told to keep them."""
    for path in sorted(run.folder.glob(KEPT)):
        yield int(path.stem.removeprefix("step=")), _policy(run.config, str(path.relative_to(run.folder)))


def write_weights(path: Path, weights: "dict[str, Tensor]") -> None:
    """Write a policy's parameters as safetensors, atomically."""
    from safetensors.torch import save

    write_whole(path, save({name: tensor.cpu().contiguous() for name, tensor in weights.items()}))

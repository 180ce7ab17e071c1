"""One training run: its config and presets, training, its files and its folder."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.runs.config import TrainConfig
    from oversight_gym.runs.folder import Run, load_run
    from oversight_gym.runs.presets import PRESETS, Hyperparameters
    from oversight_gym.runs.train import finished_run

_HOMES = {
    "PRESETS": "presets",
    "Hyperparameters": "presets",
    "Run": "folder",
    "TrainConfig": "config",
    "finished_run": "train",
    "load_run": "folder",
}

__all__ = [
    "PRESETS",
    "Hyperparameters",
    "Run",
    "TrainConfig",
    "finished_run",
    "load_run",
]


__getattr__ = lazily(__name__, _HOMES)  # torch is loaded only when a name asks for it

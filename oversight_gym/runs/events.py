"""A run's TensorBoard events: scalars that overlay across runs, hyperparameters, layout, policy map, config."""

import json
import re
import shlex
import time
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import TensorBoardOutputFormat
from torch.utils.tensorboard.summary import hparams

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.pictures.snapshot import SnapshotPainter
from oversight_gym.runs.config import TrainConfig, level_name
from oversight_gym.runs.folder import EVENTS
from oversight_gym.runs.presets import PRESETS
from oversight_gym.runs.rows import at_gate

NAMED = ("method", "oversight", "seed", "preset")
SETTINGS = (
    "total_timesteps",
    "num_envs",
    "n_steps",
    "n_epochs",
    "batch_size",
    "learning_rate",
    "ent_coef",
    "gate_coef",
)
"""Its other columns; the tab sorts them by name and first shows the foremost, so settings are called settings.NAME."""


def compared(config: TrainConfig) -> dict[str, str]:
    """Figures that the layout overlays, with their titles."""
    kind = config.unwanted
    return {"return_stepwise": "stepwise return", f"none/p_{kind}": f"P({kind}) when nobody looks"}


def layout(config: TrainConfig) -> dict[str, dict[str, list[Any]]]:
    """Charts of the custom-scalars tab; TensorBoard joins the layouts of all runs that it shows."""
    level = f"oversight={level_name(config.oversight)}"
    charts: dict[str, dict[str, list[Any]]] = {"Methods at one oversight level": {}, "Levels of one method": {}}
    for figure, title in compared(config).items():
        for category, name in zip(charts, (level, f"method={config.method}"), strict=True):
            charts[category][f"{name}: {title}"] = ["Multiline", [f"^{re.escape(name)}/{re.escape(figure)}$"]]
    return charts


def _wait_for_a_later_name(folder: Path) -> None:
    """TensorBoard reads event files in the order of their names, which begin with the second of their making."""
    seconds = [int(path.name.split(".")[3]) for path in folder.glob(EVENTS)]
    if seconds:
        time.sleep(min(2.0, max(0.0, max(seconds) + 1 - time.time())))


class EventWriter:
    """Writes the events of one run.

    Scalars as SB3 logs them; at every evaluation ``eval/...`` per gate, ``as_used/...`` at the gate that the method is
    used with (the same tag for every method), and the figures of :func:`compared` once more under ``oversight=.../``
    and ``method=.../``, tags that only the runs at one level, or of one method, have: the layout overlays by them.

    Args:
        config: of the run.
        folder: of the run.
        lengths: of its event files where training goes on, from :meth:`lengths`; what they hold beyond is cut off.
    """

    def __init__(self, config: TrainConfig, folder: Path, lengths: dict[str, int]) -> None:
        self.config, self.folder = config, folder
        for path in folder.glob(EVENTS):
            if path.name in lengths:
                with path.open("r+b") as file:
                    file.truncate(lengths[path.name])
            else:
                path.unlink()
        _wait_for_a_later_name(folder)
        self.format = TensorBoardOutputFormat(str(folder))
        self.painter = SnapshotPainter(config.env)
        if not lengths:
            self._describe()

    def _describe(self) -> None:
        config, writer = self.config, self.format.writer
        values = config.to_json()
        command = shlex.join(config.command())
        writer.add_text("run/command", f"    {command}")
        writer.add_text("run/config", "    " + json.dumps(values, indent=2).replace("\n", "\n    "))
        writer.add_custom_scalars(layout(config))
        own = {key: values[key] for key in NAMED} | {f"settings.{key}": values[key] for key in SETTINGS}
        results = ("as_used/return_stepwise", "as_used/none/return_start", f"as_used/none/p_{config.unwanted}")
        domains = {"method": list(METHODS), "preset": list(PRESETS)}
        # not add_hparams, which would make a run of its own
        for summary in hparams(own, dict.fromkeys(results, 0.0), domains):  # type: ignore[no-untyped-call]
            writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def lengths(self) -> dict[str, int]:
        """Bytes written so far, by event file."""
        self.format.writer.flush()
        return {path.name: path.stat().st_size for path in self.folder.glob(EVENTS)}

    def evaluation(self, step: int, row: dict[str, float], policy: GatedMixturePolicy) -> None:
        """Write an evaluation row and the policy map."""
        writer = self.format.writer
        used = at_gate(row, self.config.gate)
        own = ("labels/", "select/")
        scalars = {(key if key.startswith(own) else f"eval/{key}"): value for key, value in row.items()}
        del scalars["eval/step"]
        scalars |= {f"as_used/{key}": value for key, value in used.items()}
        for name in (f"oversight={level_name(self.config.oversight)}", f"method={self.config.method}"):
            scalars |= {f"{name}/{figure}": used[figure] for figure in compared(self.config)}
        for key, value in scalars.items():
            writer.add_scalar(key, value, step)
        writer.add_image("policy_map", self.painter.paint(policy, self.config.gates), step, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self.format.close()

"""A run's TensorBoard events: scalars that overlay across runs, hyperparameters, layout, policy map, config."""

import json
import os
import re
import shlex
import socket
import time
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import TensorBoardOutputFormat
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import FileWriter, SummaryWriter

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.files import flush
from oversight_gym.pictures.snapshot import SnapshotPainter
from oversight_gym.runs.config import TrainConfig, level_name
from oversight_gym.runs.contents import EVENTS
from oversight_gym.runs.presets import PRESETS
from oversight_gym.runs.rows import at_gate, scalars

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
"""The further columns of the tab, which sorts columns by name; settings are called settings.NAME so that they come
last."""


HEADLINE = "Headline"
"""Group of the first cards: TensorBoard sorts groups, and then the tags in a group, capitals before small letters."""


def headline(config: TrainConfig) -> dict[str, str]:
    """The figures to look at first, by the name of the card; all are of the policy as its method uses it."""
    kind = config.unwanted
    return {"return_when_nobody_looks": "none/return_start", f"unwatched_p_{kind}": f"none/p_{kind}"}


def compared(config: TrainConfig) -> dict[str, str]:
    """The figures that the layout overlays, with their titles."""
    kind = config.unwanted
    return {"return_stepwise": "stepwise return", f"none/p_{kind}": f"P({kind}) when nobody looks"}


def layout(config: TrainConfig) -> dict[str, dict[str, list[Any]]]:
    """The charts of the custom-scalars tab; TensorBoard joins the layouts of all runs that it shows."""
    level = f"oversight={level_name(config.oversight)}"
    charts: dict[str, dict[str, list[Any]]] = {"Methods at one oversight level": {}, "Levels of one method": {}}
    for figure, title in compared(config).items():
        for category, name in zip(charts, (level, f"method={config.method}"), strict=True):
            charts[category][f"{name}: {title}"] = ["Multiline", [f"^{re.escape(name)}/{re.escape(figure)}$"]]
    return charts


class _EventFile:
    """Writes events synchronously, because TensorBoard's own class has a thread whose errors are lost.

    Args:
        path: a new file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records, self._pending = RecordWriter(self), bytearray()
        path.open("xb").close()
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add_event(self, event: Event) -> None:
        """Keep an event until the next :meth:`flush`."""
        self._records.write(event.SerializeToString())

    def write(self, data: bytes) -> None:
        """Write bytes; called by the record writer."""
        self._pending += data

    def flush(self) -> None:
        """Write the pending events to the file."""
        with self.path.open("ab") as file:
            file.write(self._pending)
        self._pending.clear()

    def close(self) -> None:
        """Write what is left."""
        self.flush()


class _Writer(SummaryWriter):
    """A ``SummaryWriter`` of one :class:`_EventFile`."""

    def __init__(self, path: Path) -> None:
        file = FileWriter.__new__(FileWriter)
        file.event_writer = _EventFile(path)
        self._files: dict[str, Any] = {"file_writer": file, "all_writers": {str(path.parent): file}}
        super().__init__(str(path.parent))

    def _get_file_writer(self) -> Any:
        self.__dict__ |= self._files
        return self._files["file_writer"]


class _Format(TensorBoardOutputFormat):
    """SB3's TensorBoard output on our own writer."""

    def __init__(self, writer: SummaryWriter) -> None:
        self.writer, self._is_closed = writer, False


def _new_file(folder: Path) -> Path:
    """The next event file. TensorBoard reads the files in the order of their names, so names must increase even if the
    clock does not."""
    parts = [path.name.split(".")[3] for path in folder.glob(EVENTS)]
    second = max([int(time.time()), *(int(part) + 1 for part in parts if part.isdecimal())])
    return folder / EVENTS.replace("*", f"{second:010d}.{socket.gethostname()}.{os.getpid()}.0")


class EventWriter:
    """Writes the events of one run.

    Scalars are logged as by SB3. Every evaluation adds ``Headline/...``, the figures to look at first; ``eval/...`` for
    each gate; and ``as_used/...`` at the gate that the method is used with (the same tag for every method). The figures
    of :func:`compared` are logged once more under ``oversight=.../`` and ``method=.../``. Only the runs at one level,
    or of one method, have these tags, so that the layout can overlay those runs.

    Args:
        config: the run's config.
        folder: the run folder.
        lengths: the lengths of its event files if training continues, from :meth:`lengths`; the files are cut to them.
    """

    def __init__(self, config: TrainConfig, folder: Path, lengths: dict[str, int]) -> None:
        self.config, self.folder = config, folder
        for path in folder.glob(EVENTS):
            if path.name in lengths:
                with path.open("r+b") as file:
                    file.truncate(min(lengths[path.name], path.stat().st_size))
            else:
                path.unlink()
        self.format = _Format(_Writer(_new_file(folder)))
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
        """The number of bytes on the disk so far, by event file."""
        self.format.writer.flush()
        paths = list(self.folder.glob(EVENTS))
        for path in paths:
            flush(path)
        return {path.name: path.stat().st_size for path in paths}

    def evaluation(self, step: int, row: dict[str, float], policy: GatedMixturePolicy) -> None:
        """Write an evaluation row and the policy map."""
        writer = self.format.writer
        used, values = at_gate(row, self.config.gate), scalars(row, self.config.gate)
        values |= {f"{HEADLINE}/{name}": used[figure] for name, figure in headline(self.config).items()}
        for name in (f"oversight={level_name(self.config.oversight)}", f"method={self.config.method}"):
            values |= {f"{name}/{figure}": used[figure] for figure in compared(self.config)}
        for key, value in values.items():
            writer.add_scalar(key, value, step)
        writer.add_image("policy_map", self.painter.paint(policy, self.config.gates), step, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self.format.close()

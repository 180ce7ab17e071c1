"""Trackers beside TensorBoard, each through its own client: Weights & Biases and MLflow.

What a run logs is kept until its next checkpoint and sent just before it, so that a resumed run, which goes on in the
same run of the tracker, sends nothing twice. A tracker that fails is given up with a warning, and the training goes on.
"""

import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

from stable_baselines3.common.logger import KVWriter

from oversight_gym.envs import RequestError
from oversight_gym.files import plain
from oversight_gym.runs.config import UNTRACKED, Tracker, TrainConfig
from oversight_gym.runs.stopping import Interrupted

PROJECT = "oversight-gym"
"""Project (W&B) or experiment (MLflow), unless the environment names another."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}
"""Clients then send what a run logs, and nothing else."""
MOST_METRICS = 1000
"""MLflow takes no more in one request."""
End = Literal["FINISHED", "FAILED", "KILLED"]

_log = logging.getLogger(__name__)


class Logged(NamedTuple):
    """What was logged at one step.

    Attributes:
        step: of training.
        time: in seconds since 1970.
        values: by name.
    """

    step: int
    time: float
    values: dict[str, float]


class Client(Protocol):
    """A tracker's run, begun or gone on with.

    Attributes:
        id: by which the tracker knows the run.
    """

    id: str

    def send(self, logged: list[Logged]) -> None:
        """Log it."""

    def end(self, how: End) -> None:
        """Close the run."""


class WeightsAndBiases:
    """As ``Client``. ``WANDB_PROJECT``, ``WANDB_MODE``, ``WANDB_DIR`` and the like count, as always in W&B."""

    def __init__(self, name: str, parameters: dict[str, Any], before: str | None) -> None:
        import wandb

        self.id = before or uuid.uuid4().hex
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            id=self.id,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(console="off"),
        )
        self.run.config.update(parameters, allow_val_change=True)  # type: ignore[no-untyped-call]

    def send(self, logged: list[Logged]) -> None:
        for step, _, values in logged:
            self.run.log(values, step=step)

    def end(self, how: End) -> None:
        self.run.finish(exit_code=int(how != "FINISHED"))


class MLflow:
    """As ``Client``. ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and the like count, as always in MLflow."""

    def __init__(self, name: str, parameters: dict[str, Any], before: str | None) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.client = MlflowClient()
        if before:
            self.id = before
            self.client.update_run(before, status="RUNNING")
            return
        self.id = self.client.create_run(self._experiment(), run_name=name).info.run_id
        self.client.log_batch(self.id, params=[Param(key, str(value)) for key, value in parameters.items()])

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        if found := self.client.get_experiment_by_name(name):
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name))
        except MlflowException:  # another run of the same sweep was quicker
            if found := self.client.get_experiment_by_name(name):
                return str(found.experiment_id)
            raise

    def send(self, logged: list[Logged]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(re.sub(r"[^\w\-. :/]", "_", key), value, int(1000 * when), step)
            for step, when, values in logged
            for key, value in values.items()
        ]
        for start in range(0, len(metrics), MOST_METRICS):
            self.client.log_batch(self.id, metrics=metrics[start : start + MOST_METRICS])

    def end(self, how: End) -> None:
        self.client.set_terminated(self.id, how)


CLIENTS: dict[Tracker, Callable[[str, dict[str, Any], str | None], Client]] = {
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}
assert set(CLIENTS) == set(get_args(Tracker))


def check_installed(trackers: tuple[Tracker, ...]) -> None:
    """Refuse trackers whose client is missing.

    Raises:
        RequestError: naming the extra that brings it.
    """
    for name in trackers:
        if find_spec(name) is None:
            raise RequestError(
                f"`track` {name} needs the extra {name!r}; install it with: pip install 'oversight-gym[{name}]'"
            )


def _name(folder: Path) -> str:
    """A run folder as people know it: from where they are, if it lies below."""
    folder, here = folder.resolve(), Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


class Trackers(KVWriter):
    """Those that a config asks for, as one writer of SB3's logger.

    Args:
        config: of the run.
        before: ids of its runs in the trackers where training goes on.

    Attributes:
        ids: of the run in each tracker.
    """

    def __init__(self, config: TrainConfig, before: dict[str, str]) -> None:
        self.ids, self._clients, self._pending = dict(before), dict[str, Client](), dict[int, Logged]()
        if config.track:
            os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
        parameters = {key: value for key, value in config.to_json().items() if key not in UNTRACKED}
        for name in dict.fromkeys(config.track):
            with self._given_up_if_failing(name):
                self._clients[name] = CLIENTS[name](_name(config.folder), parameters, before.get(name))
                self.ids[name] = self._clients[name].id

    @contextmanager
    def _given_up_if_failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            _log.warning("%s is given up (%s: %s); training goes on.", name, type(error).__name__, reason)
            self._clients.pop(name, None)

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Keep all numbers until they are sent; the last of those logged twice at a step, as in ``progress.csv``."""
        if not self._clients:
            return
        values = {key: plain(value) for key, value in key_values.items()}
        values = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
        if values:
            before = self._pending[step].values if step in self._pending else {}
            self._pending[step] = Logged(step, time.time(), before | values)

    def send(self) -> None:
        """Send what was kept."""
        pending, self._pending = list(self._pending.values()), {}
        for name, client in list(self._clients.items()):
            with self._given_up_if_failing(name):
                client.send(pending)

    def end(self, how: End) -> None:
        """Close the runs."""
        for name, client in list(self._clients.items()):
            with self._given_up_if_failing(name):
                client.end(how)

    def close(self) -> None:
        """A logger that is closed ends nothing: :meth:`end` says how."""


@contextmanager
def tracked(config: TrainConfig, before: dict[str, str]) -> Iterator[Trackers]:
    """The trackers of a run; at the end each hears how the training ended."""
    trackers = Trackers(config, before)
    try:
        yield trackers
    except Interrupted:
        trackers.end("KILLED")
        raise
    except BaseException:
        trackers.end("FAILED")
        raise
    trackers.send()
    trackers.end("FINISHED")

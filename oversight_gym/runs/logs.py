"""The logs of a training run: ``progress.csv``, TensorBoard, and a bar on the terminal."""

import math
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.files import plain, write_csv
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.periodic import PeriodicEvaluation

MOST_ROWS = 500
"""The largest number of rows of ``progress.csv`` and of points of a TensorBoard curve."""


class ProgressFile(KVWriter):
    """Writes ``progress.csv`` as an output of SB3's logger: one row for each dump. The file is rewritten each time.

    Attributes:
        rows: the rows of the file.
    """

    def __init__(self, path: Path, rows: list[dict[str, Any]]) -> None:
        self.path, self.rows = path, rows

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        row = {key: plain(value) for key, value in key_values.items() if "csv" not in (key_excluded.get(key) or ())}
        if not row:
            return
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1] |= row
        else:
            self.rows.append({"step": step, **row})
        write_csv(self.path, self.rows, flushed=False)  # every checkpoint holds them too

    def close(self) -> None:
        """Do nothing; the file is complete after every write."""


class RolloutLogs(BaseCallback):
    """Dumps SB3's logs at regular intervals of the whole run, regardless of where it was resumed."""

    model: RoutedPPO

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.per_rollout = config.hyper.num_envs * config.hyper.n_steps
        self.every = math.ceil(config.hyper.total_timesteps / self.per_rollout / MOST_ROWS)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        rollouts = self.num_timesteps // self.per_rollout
        if rollouts % self.every == 0:
            self.model.dump_logs(rollouts)


class ProgressBar(BaseCallback):
    """Shows steps, steps per second and the current return on standard error, if that is a terminal."""

    def __init__(self, config: TrainConfig, evaluations: PeriodicEvaluation) -> None:
        super().__init__()
        self.config, self.evaluations = config, evaluations
        self.bar = Progress(
            TextColumn("{task.description}: {task.percentage:3.0f}%"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps, {task.fields[speed]:,.0f} steps/s"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[result]}"),
            console=Console(stderr=True),
            refresh_per_second=2,
            disable=not sys.stderr.isatty(),
        )

    def _on_training_start(self) -> None:
        self.begun, self.began = self.num_timesteps, time.perf_counter()
        steps = self.config.hyper.total_timesteps
        self.task = self.bar.add_task(self.config.method, total=steps, completed=self.begun, speed=0.0, result="")
        self.bar.start()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        speed = (self.num_timesteps - self.begun) / (time.perf_counter() - self.began)
        result = f"return ({self.config.gate}) {self.evaluations.headline:+.3f}"
        self.bar.update(self.task, completed=self.num_timesteps, speed=speed, result=result)

    def _on_training_end(self) -> None:
        self.bar.update(self.task, completed=self.num_timesteps)
        self.bar.stop()

    def close(self) -> None:
        """Restore the terminal, however training ended."""
        self.bar.stop()

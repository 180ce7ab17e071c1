"""What a training run logs, and where: ``progress.csv``, TensorBoard, a bar on the terminal."""

import math
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter
from tqdm import tqdm

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.files import plain, write_csv
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.periodic import Evaluations

MOST_ROWS = 500
"""Rows of ``progress.csv``, and points of a TensorBoard curve, at most."""


class ProgressFile(KVWriter):
    """``progress.csv``: SB3's logger, one row per step at which it was dumped, the file rewritten whole.

    Attributes:
        rows: what the file holds.
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
        write_csv(self.path, self.rows)

    def close(self) -> None:
        """The file is whole after every write."""


class RolloutLogs(BaseCallback):
    """Dumps SB3's logs after every so many rollouts of the whole run, wherever it was resumed."""

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
    """Steps, steps per second and the current return; nothing when not on a terminal."""

    def __init__(self, config: TrainConfig, evaluations: Evaluations) -> None:
        super().__init__()
        self.config, self.evaluations = config, evaluations

    def _on_training_start(self) -> None:
        steps = self.config.hyper.total_timesteps
        begun = self.num_timesteps
        self.bar = tqdm(
            total=steps, initial=begun, unit=" steps", unit_scale=True, disable=None, desc=self.config.method
        )

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.bar.update(self.num_timesteps - self.bar.n)
        self.bar.set_postfix_str(f"return ({self.config.gate}) {self.evaluations.headline:+.3f}")

    def _on_training_end(self) -> None:
        self.bar.update(self.num_timesteps - self.bar.n)
        self.bar.close()

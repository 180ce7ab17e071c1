"""One training run, from its config to its finished folder."""

import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from tqdm import tqdm

from oversight_gym.agents.routed_ppo import RoutedPPO
from oversight_gym.build import make_model
from oversight_gym.config import TrainConfig
from oversight_gym.envs import RequestError
from oversight_gym.evaluation import Evaluation, evaluate
from oversight_gym.ledger import ledger
from oversight_gym.runs import FINISHED, MODEL, Run, load_run, prepare_folder, write_csv, write_json, write_whole
from oversight_gym.tables import PATTERNS

MOST_ROWS = 500
"""Rows of ``progress.csv``, and points of a TensorBoard curve, at most."""


class _ProgressFile(KVWriter):
    """``progress.csv``: SB3's logger, one row per step at which it was dumped, the file rewritten whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, Any], step: int = 0) -> None:
        row = {key: value for key, value in key_values.items() if "csv" not in (key_excluded.get(key) or ())}
        if not row:
            return
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1] |= row
        else:
            self.rows.append({"step": step, **row})
        write_csv(self.path, self.rows)

    def close(self) -> None:
        """The file is whole after every write."""


def evaluation_row(step: int, evaluation: Evaluation) -> dict[str, float]:
    """One row of ``evaluations.csv``: ``<gate>/<figure>`` mixed, ``<gate>/<pattern>/<figure>`` per pattern."""
    row: dict[str, float] = {"step": step}
    for gate in evaluation.names:
        row |= {f"{gate}/{key}": value for key, value in evaluation.figures(gate).items()}
        for pattern in PATTERNS:
            row |= {f"{gate}/{pattern}/{key}": value for key, value in evaluation.figures(gate, pattern).items()}
    return row


class Evaluations(BaseCallback):
    """Evaluates the policy at the start, at even distances and (called once more) at the end of training."""

    model: RoutedPPO

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        super().__init__()
        self.config, self.folder = config, folder
        self.rows: list[dict[str, float]] = []
        self.next_step = 0.0
        self.seconds = 0.0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self.next_step:
            self.evaluate()
            self.next_step += self.config.settings.total_timesteps / self.config.evaluations

    def evaluate(self) -> None:
        """Evaluate now, log it and rewrite ``evaluations.csv``."""
        began = time.perf_counter()
        method, step = self.config.method_row, self.model.num_timesteps
        evaluation = evaluate(self.model.policy, self.config.grid, method.gates, gamma=self.config.settings.gamma)
        self.rows.append(evaluation_row(step, evaluation))
        write_csv(self.folder / "evaluations.csv", self.rows)
        logged = {f"eval/{key}": value for key, value in self.rows[-1].items() if key != "step"}
        logged |= {f"labels/{use}": count for use, count in ledger(method, self.model.episodes_observed).items()}
        for key, value in logged.items():
            self.logger.record(key, value, exclude="csv")
        self.logger.dump(step)
        self.seconds += time.perf_counter() - began

    @property
    def headline(self) -> float:
        """Stepwise return of the policy as its method uses it, at the last evaluation."""
        return self.rows[-1][f"{self.config.method_row.gate}/return_stepwise"]


class _ProgressBar(BaseCallback):
    """Steps, steps per second and the current return; nothing when not on a terminal."""

    def __init__(self, config: TrainConfig, evaluations: Evaluations) -> None:
        super().__init__()
        self.evaluations = evaluations
        self.bar = tqdm(
            total=config.settings.total_timesteps, unit=" steps", unit_scale=True, disable=None, desc=config.method
        )

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.bar.update(self.num_timesteps - self.bar.n)
        gate = self.evaluations.config.method_row.gate
        self.bar.set_postfix_str(f"return ({gate}) {self.evaluations.headline:+.3f}")

    def _on_training_end(self) -> None:
        self.bar.update(self.num_timesteps - self.bar.n)
        self.bar.close()


def train(config: TrainConfig) -> Run:
    """Train, and write the run folder: config, model, curves, evaluations, and last the completion record.

    Args:
        config: what to train.

    Returns:
        The finished run, read back from its folder.

    Raises:
        RequestError: if the device is missing or the folder may not be written.
    """
    from safetensors.torch import save

    if config.device != "cpu" and not torch.cuda.is_available():
        raise RequestError(f"device is {config.device!r}, but no CUDA device is available; use --device cpu.")
    folder = prepare_folder(config)
    torch.set_num_threads(config.threads)
    began = time.perf_counter()
    model = make_model(config)
    writers = [_ProgressFile(folder / "progress.csv"), TensorBoardOutputFormat(str(folder))]
    model.set_logger(Logger(str(folder), writers))
    evaluations = Evaluations(config, folder)
    settings = config.settings
    rollouts = math.ceil(settings.total_timesteps / (settings.num_envs * settings.n_steps))
    model.learn(
        settings.total_timesteps,
        CallbackList([evaluations, _ProgressBar(config, evaluations)]),
        log_interval=math.ceil(rollouts / MOST_ROWS),
    )
    evaluations.evaluate()
    model.logger.close()
    seconds = time.perf_counter() - began
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.policy.state_dict().items()}
    write_whole(folder / MODEL, save(weights))
    record = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "steps": model.num_timesteps,
        "seconds": round(seconds, 1),
        "steps_per_second": round(model.num_timesteps / seconds),
        "evaluation_seconds": round(evaluations.seconds, 1),
        "labels": ledger(config.method_row, model.episodes_observed),
    }
    write_json(folder / FINISHED, record)
    return load_run(folder)


def finished_run(config: TrainConfig) -> Run:
    """The run of a config: read from its folder if it has finished there, else trained."""
    return load_run(config.folder) if (config.folder / FINISHED).exists() else train(config)

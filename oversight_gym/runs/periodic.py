"""Evaluates during training and writes a checkpoint each time."""

import time
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.selection import Row, chosen
from oversight_gym.evaluation.validation import overseen_score, validation_rng
from oversight_gym.files import write_csv
from oversight_gym.runs.checkpoint import Checkpoint, write_checkpoint
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CHECKPOINT, EVALUATIONS, WEIGHTS, weights_name
from oversight_gym.runs.events import EventWriter
from oversight_gym.runs.folder import write_weights
from oversight_gym.runs.ledger import ledger
from oversight_gym.runs.rows import at_gate, evaluation_row, scalars
from oversight_gym.runs.trackers import Trackers


class PeriodicEvaluation(BaseCallback):
    """Evaluates the policy at the start, at regular intervals and (by a last call) at the end of training.

    Args:
        config: the run's config.
        folder: the run folder.
        events: the run's TensorBoard writer.
        trackers: its trackers.
        progress: the rows of ``progress.csv``, which are stored in every checkpoint.
        history: the versions that the run was trained with, which are stored as well.
        before: the checkpoint from which training continues, or None.

    Attributes:
        rows: the rows of ``evaluations.csv``.
        best: the weights at the evaluation that selection chooses; empty if the last one counts.
    """

    model: RoutedPPO

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        events: EventWriter,
        trackers: Trackers,
        progress: list[dict[str, Any]],
        history: list[dict[str, Any]],
        before: Checkpoint | None = None,
    ) -> None:
        super().__init__()
        self.config, self.folder, self.events, self.trackers = config, folder, events, trackers
        self.progress, self.history = progress, history
        kept = before.extra if before else {}
        self.rows: list[Row] = list(kept.get("evaluations", ()))
        self.best: dict[str, Tensor] = before.best if before else {}
        self.seconds: float = kept.get("evaluation_seconds", 0.0)
        self._trained: float = kept.get("seconds", 0.0)
        self._began = time.perf_counter()

    @property
    def training_seconds(self) -> float:
        """The seconds that training has taken so far, including evaluations."""
        return self._trained + time.perf_counter() - self._began

    def _on_step(self) -> bool:
        return True

    @property
    def next(self) -> float:
        """The first step to evaluate at after the last evaluation."""
        if not self.rows:
            return 0
        steps, evaluations = self.config.hyper.total_timesteps, self.config.evaluations
        return (int(self.rows[-1]["step"]) * evaluations // steps + 1) * steps / evaluations

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self.next:
            self.evaluate()
            self.leave_checkpoint()

    def evaluate(self) -> None:
        """Evaluate now, log it and rewrite ``evaluations.csv``."""
        began = time.perf_counter()
        policy = self.model.policy
        assert isinstance(policy, GatedMixturePolicy)
        with policy.steer("free"):  # fine-tuning forces it
            self._evaluate(policy)
        self.seconds += time.perf_counter() - began

    def _evaluate(self, policy: GatedMixturePolicy) -> None:
        config, step = self.config, self.model.num_timesteps
        evaluation = evaluate(policy, config.env, config.gates, gamma=config.hyper.gamma, regret=False)
        row = evaluation_row(step, evaluation, ledger(config.method_row, self.model.episodes_observed))
        self.rows.append(row | self._scores(step, at_gate(row, config.gate)["return_stepwise"]))
        write_csv(self.folder / EVALUATIONS, self.rows, flushed=False)  # a checkpoint holds them too
        self.model.logger.dump(step)
        self.events.evaluation(step, self.rows[-1], policy)
        self.trackers.write(scalars(self.rows[-1], config.gate), {}, step)
        if self.config.select != "last" and chosen(self.rows, self.config.select) == len(self.rows) - 1:
            self.best = {name: tensor.cpu().clone() for name, tensor in policy.state_dict().items()}
        if self.config.keep_weights:
            (self.folder / WEIGHTS).mkdir(exist_ok=True)
            write_weights(self.folder / weights_name(step), policy.state_dict())

    def _scores(self, step: int, truth: float) -> Row:
        """The scores for selection: the truth and, if requested, the supervisor's score and the labels that it
        consumed."""
        config, scores = self.config, {"select/oracle": truth}
        if config.select == "overseen":
            how = config.gate, config.hyper.gamma, config.select_labels
            found = overseen_score(self.model.policy, config.env, *how, validation_rng(config.seed, step))
            scores |= {"select/overseen": found.value, "select/overseen_labels": found.labels}
        return scores

    def leave_checkpoint(self) -> None:
        """Write a checkpoint; trackers first get what will not be logged again."""
        self.trackers.send()
        extra = {
            "config": self.config.to_json(),
            "history": self.history,
            "evaluations": self.rows,
            "progress": self.progress,
            "events": self.events.lengths(),
            "trackers": self.trackers.ids,
            "seconds": self.training_seconds,
            "evaluation_seconds": self.seconds,
        }
        write_checkpoint(self.folder / CHECKPOINT, self.model, extra, self.best)

    @property
    def headline(self) -> float:
        """The stepwise return of the policy as its method uses it, at the last evaluation."""
        return at_gate(self.rows[-1], self.config.gate)["return_stepwise"]

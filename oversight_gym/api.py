"""The verbs of the command line, for Python and notebooks: ``import oversight_gym as og; run = og.train(...)``.

Results are displayed as tables. Everything behind these functions can be imported from its own folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oversight_gym.analysis.compare import Comparison
from oversight_gym.analysis.compare import compare as compare_folders
from oversight_gym.evaluation.figures import Evaluation
from oversight_gym.evaluation.figures import evaluate as evaluate_policy
from oversight_gym.evaluation.steering import Steering
from oversight_gym.evaluation.steering import steer as steer_policy
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.train import train as train_config


def train(method: str = TrainConfig.method, oversight: float = TrainConfig.oversight, **settings: Any) -> Run:
    """Train an agent and write its run folder.

    Args:
        method: the oversight method, see ``oversight-gym methods``.
        oversight: the probability that a terminal square is under oversight, in [0, 1].
        settings: any other field of :class:`~oversight_gym.runs.config.TrainConfig` or
            :class:`~oversight_gym.runs.presets.Hyperparameters`, such as ``seed``, ``preset``, ``world``, ``run_dir``,
            ``resume``, ``overwrite``, ``total_timesteps``.

    Raises:
        RequestError: if a setting is unknown or out of range, or the folder holds a run already.
        RunFailed: if training diverges.
    """
    return train_config(TrainConfig.of(method=method, oversight=oversight, **settings))


def load(folder: str | Path) -> Run:
    """Read a finished run, whose ``policy`` is a policy of stable-baselines3.

    Raises:
        RequestError: if the folder is missing, unfinished or broken.
    """
    return load_run(Path(folder))


def evaluate(run: Run | str | Path, gates: Sequence[str] | None = None, **how: Any) -> Evaluation:
    """Evaluate a run by the ground truth, exactly if the world allows it.

    Args:
        run: a run, or its folder.
        gates: gates such as ``free``, ``diamond`` or ``diamond+0.5``; None for all gates of the run.
        how: ``oversight``, ``deterministic`` and other arguments of ``evaluation.evaluate``.

    Raises:
        RequestError: if the run cannot be read, or has no such gate.
    """
    found = run if isinstance(run, Run) else load(run)
    config = found.config
    return evaluate_policy(found.policy, config.env, gates or config.gates, gamma=config.hyper.gamma, **how)


def steer(run: Run | str | Path, **how: Any) -> Steering:
    """Move the gate of a run from one expert to the other, and beyond, and evaluate it at every step.

    Args:
        run: a run with several experts, or its folder.
        how: ``points`` and other arguments of ``evaluation.steering.steer``.

    Raises:
        RequestError: if the run cannot be read or has a single expert.
    """
    found = run if isinstance(run, Run) else load(run)
    return steer_policy(found.policy, found.config.env, gamma=found.config.hyper.gamma, **how)


def compare(*runs: Run | str | Path, baseline: str | None = None, select: str | None = None) -> Comparison:
    """Compare finished runs over methods, oversight levels and seeds.

    Args:
        runs: runs, folders of runs, or CSV files of stored rows.
        baseline: the method with which the others are compared, seed by seed.
        select: the checkpoint that counts: ``last``, ``overseen`` or ``oracle``; None for the one that each run was
            trained with.

    Raises:
        RequestError: if nothing has finished, or there is no such baseline.
    """
    folders = [run.folder if isinstance(run, Run) else Path(run) for run in runs]
    return compare_folders(*folders, baseline=baseline, select=select)

"""Verifies a run: its files, the figures of its weights and, by training it again, its training."""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.selection import Row
from oversight_gym.runs.contents import MODEL
from oversight_gym.runs.folder import Run, stored_results_version, stored_versions
from oversight_gym.runs.rows import evaluation_row, read_evaluations
from oversight_gym.runs.stopping import Interrupted, RunFailed
from oversight_gym.runs.train import train
from oversight_gym.runs.version import RESULTS_VERSION, changes, versions

SAME_WEIGHTS = 1e-5
"""The largest difference of figures of the same weights between processors."""


@dataclass(frozen=True)
class Verdict:
    """The result of a verification.

    Attributes:
        holds: whether the run is what its folder says.
        sentence: the reason.
    """

    holds: bool
    sentence: str


def _stored(run: Run) -> Row:
    """The evaluation that counts."""
    step = run.record.get("selected_step", run.record["steps"])
    return next(row for row in reversed(read_evaluations(run.folder)) if row["step"] == step)


def _distance(one: Row, other: Row) -> tuple[float, str]:
    """The largest difference of a return or a probability, and its name; infinite if one is missing."""
    figures = [name for name in one if name.rpartition("/")[2].startswith(("return_", "p_")) and "/" in name]
    differences = {name: abs(one[name] - other.get(name, math.inf)) for name in figures}
    furthest = max(differences, key=lambda name: math.inf if math.isnan(differences[name]) else differences[name])
    return differences[furthest], furthest


def verify_weights(run: Run) -> Verdict:
    """Evaluate the weights of a run, and compare with its ``evaluations.csv``."""
    config = run.config
    evaluation = evaluate(run.policy, config.env, config.gates, gamma=config.hyper.gamma, regret=False)
    furthest, name = _distance(evaluation_row(0, evaluation, {}), _stored(run))
    if not furthest <= SAME_WEIGHTS:
        return Verdict(False, f"the weights in {run.folder} give another {name}, by {furthest:.3g}, than is stored.")
    return Verdict(True, f"the files of {run.folder} are whole, and its weights give the figures that are stored.")


def verify_training(run: Run, within: float) -> Verdict:
    """Train a run again in a scratch folder, and compare.

    Args:
        run: the run.
        within: the largest difference of figures if versions differ, because training then behaves like another seed.

    Raises:
        Interrupted: by SIGINT or SIGTERM.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            again = train(replace(run.config, run_dir=Path(scratch, "run"), resume=False, overwrite=False))
        except RunFailed as failure:
            return Verdict(False, f"once more, {failure.reason}.")
        except Interrupted as end:
            raise Interrupted(end.status - 128, "interrupted before the run was repeated.") from None
        if (run.folder / MODEL).read_bytes() == (again.folder / MODEL).read_bytes():
            return Verdict(True, f"trained once more, {run.folder} has the same weights, bit for bit.")
        furthest, name = _distance(_stored(again), _stored(run))
    far = f"{name} differs by {furthest:.3g}"
    others = _other_versions(run)
    if not others:
        return Verdict(False, f"trained once more with the same versions, {run.folder} has other weights; {far}.")
    words = f"trained once more with other versions ({others}), {run.folder} has other weights"
    return Verdict(furthest <= within, f"{words}; {far}, and {within:g} is allowed.")


def _other_versions(run: Run) -> str:
    """The differences from the versions with which a run was trained, in words."""
    now, found = versions(), []
    for before in stored_versions(run.folder):
        found.append(changes(before, now))
    if (version := stored_results_version(run.folder)) != RESULTS_VERSION:
        found.append(f"results version {version} (now {RESULTS_VERSION})")
    return ", ".join(dict.fromkeys(filter(None, found)))

"""Makes the panes of a session from run folders."""

from collections.abc import Sequence
from pathlib import Path

from oversight_gym.agents.policies.steering import Gate
from oversight_gym.runs.folder import PACKAGED, Run, load_run
from oversight_gym.viewer.pane import Pane


def watched_panes(folders: Sequence[Path], gates: Sequence[Gate] = (), every_gate: bool = False) -> list[Pane]:
    """The panes for some runs.

    Args:
        folders: run folders; empty for the agent that comes with the package.
        gates: the gates to show of each run that has a gate; empty for the gate that its method is used with.
        every_gate: whether a single run without ``gates`` is shown at each of its gates.

    Raises:
        RequestError: as ``load_run`` and ``policy.gate_vector`` do.
    """
    runs = [load_run(folder) for folder in folders or [PACKAGED]]
    panes = []
    for run in runs:
        shown: Sequence[Gate] = gates or (run.config.gates if every_gate and len(runs) == 1 else [run.config.gate])
        for gate in shown if len(run.policy.experts) > 1 else [None]:
            panes.append(Pane(_name(run, runs), run.config.env, run.policy, gate))
    return panes


def _name(run: Run, runs: Sequence[Run]) -> str:
    """Method and, where the runs differ in them, oversight and seed."""
    name = run.config.method
    if len({float(other.config.oversight) for other in runs}) > 1:
        name += f" {run.config.oversight:g}"
    return name + (f", seed {run.config.seed}" if len({other.config.seed for other in runs}) > 1 else "")

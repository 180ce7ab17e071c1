"""From run folders to the panes of a session."""

from collections.abc import Sequence
from pathlib import Path

from oversight_gym.agents.policies.steering import Gate
from oversight_gym.runs.folder import load_run
from oversight_gym.viewer.session import Pane


def watched_panes(folders: Sequence[Path], gates: Sequence[Gate] = (), every_gate: bool = False) -> list[Pane]:
    """Panes for runs; errors as in ``load_run`` and ``policy.gate_vector``.

    Args:
        folders: at least one run.
        gates: settings to show of each run that has a gate; empty for the one its method is used with.
        every_gate: with one run and no ``gates``, a pane for each of its gate settings.
    """
    runs = [load_run(folder) for folder in folders]
    panes = []
    for run in runs:
        config, gated = run.config, len(run.policy.experts) > 1
        shown: Sequence[Gate] = gates or (config.gates if every_gate and len(runs) == 1 else [config.gate])
        for gate in shown if gated else [None]:
            name = run.config.method
            if len(runs) > 1:
                name += f" {run.config.oversight:g}, seed {run.config.seed}"
            panes.append(Pane(name, run.config.env, run.policy, gate))
    return panes

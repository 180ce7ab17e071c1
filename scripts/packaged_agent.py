"""Trains the agent that comes with the package, which ``oversight-gym watch`` and ``export`` show if no run is named.

    python scripts/packaged_agent.py

It is the run of ``make demo`` (routing, 10 % oversight, seed 0, the default preset); only the files that are needed to
load it are kept. It takes a minute on one core. Run it again when a default changes with which it is trained.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from oversight_gym.evaluation.figures import evaluate
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CONFIG, FINISHED, MODEL
from oversight_gym.runs.folder import PACKAGED, load_run
from oversight_gym.runs.train import train

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Train and copy the agent, load the copy and print its returns."""
    with TemporaryDirectory() as folder:
        train(TrainConfig.of(method="routing", oversight=0.1, seed=0, evaluations=1, run_dir=Path(folder, "run")))
        PACKAGED.mkdir(exist_ok=True)
        for name in (CONFIG, MODEL, FINISHED):
            shutil.copyfile(Path(folder, "run", name), PACKAGED / name)
    run = load_run(PACKAGED)
    found = evaluate(run.policy, run.config.env, run.config.gates, gamma=run.config.hyper.gamma)
    for gate in found.names:
        figures = found.figures(gate)
        print(f"gate {gate:8} return {figures['return_stepwise']:+.3f}, P(diamond) {figures['p_diamond']:.3f}")
    print(PACKAGED.relative_to(ROOT))


if __name__ == "__main__":
    main()

"""Seconds from the start of a process until the steered policy's exact stepwise return first reaches a value."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from timing import answer, child, table

GOALS = ((0.1, (0.5, 0.7)),)


def run(began: float, oversight: float, seed: int, *goals: float) -> None:
    """One run; prints the seconds at which each goal was reached (inf if never), then the last return."""
    import oversight_gym.train as training
    from oversight_gym.config import TrainConfig

    reached = dict.fromkeys(goals, float("inf"))
    last = 0.0

    class Clock(training.Evaluations):
        def evaluate(self) -> None:
            nonlocal last
            super().evaluate()
            last = self.headline
            for goal in goals:
                if last >= goal:
                    reached[goal] = min(reached[goal], time.time() - began)

    training.Evaluations = Clock  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig.of(oversight=oversight, seed=seed, run_dir=Path(folder) / "run", evaluations=EVALUATIONS)
        training.train(config)
    print(*reached.values(), last)


def main(seeds: int = 5) -> None:
    rows = []
    for oversight, goals in GOALS:
        found = [answer(child(__file__, time.time(), oversight, seed, *goals)) for seed in range(seeds)]
        *times, last = zip(*found, strict=True)
        for goal, seconds in zip(goals, times, strict=True):
            each = ", ".join(f"{value:.0f}" for value in seconds)
            rows.append([f"{oversight:.0%}", f"{goal:.2f}", f"{statistics.median(seconds):.0f}", each])
        rows.append(
            [f"{oversight:.0%}", "at the end", f"{statistics.median(last):+.3f}", ", ".join(f"{x:+.2f}" for x in last)]
        )
    table("Seconds to a steered return, five seeds", ["oversight", "return", "median", "seeds"], rows)


EVALUATIONS = 20

if __name__ == "__main__":
    if len(sys.argv) > 1:
        began, oversight, seed, *goals = map(float, sys.argv[1:])
        run(began, oversight, int(seed), *goals)
    else:
        main()

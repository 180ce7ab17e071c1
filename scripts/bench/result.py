"""Seconds from the start of a process until the steered policy's exact stepwise return first reaches a value."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from timing import answer, child, table

GOALS: tuple[tuple[float, tuple[float, ...]], ...] = ((0.1, (0.5, 0.7)), (0.01, (0.5,)))
"""Oversight, and returns to reach with the preset fast."""

EVALUATIONS = 20
"""The number of evaluations per run; a return is only seen at the next one."""


def run(began: float, row: int, seed: int) -> None:
    """One run of a row of ``GOALS``; prints the seconds to each goal (inf: never) and the last return."""
    import oversight_gym.runs.train as training
    from oversight_gym.runs.config import TrainConfig

    oversight, goals = GOALS[row]
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
        where = Path(folder) / "run"
        training.train(TrainConfig.of(oversight=oversight, seed=seed, run_dir=where, evaluations=EVALUATIONS))
    print(*reached.values(), last)


def main(seeds: int = 5) -> None:
    rows = []
    for row, (oversight, goals) in enumerate(GOALS):
        found = [answer(child(__file__, time.time(), row, seed)) for seed in range(seeds)]
        *times, last = zip(*found, strict=True)
        for goal, seconds in zip(goals, times, strict=True):
            median, *each = (f"{value:.0f}".replace("inf", "never") for value in (statistics.median(seconds), *seconds))
            rows.append([f"{oversight:.0%}", f"{goal:.2f}", median, ", ".join(each)])
        rows.append(
            [f"{oversight:.0%}", "at the end", f"{statistics.median(last):+.3f}", ", ".join(f"{x:+.2f}" for x in last)]
        )
    table("Seconds to a steered return, five seeds", ["oversight", "return", "median", "seeds"], rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        began, row, seed = sys.argv[1:]
        run(float(began), int(row), int(seed))
    else:
        main()

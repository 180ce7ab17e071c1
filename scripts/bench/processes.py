"""The cost of a run beside its training: imports, start-up, logs, evaluations, memory, and a process on the other
core."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import answer, child, peak_megabytes, rate, seconds, table


def begin(began: float) -> None:
    """Seconds from ``began`` until the first update of a default run."""
    from oversight_gym.agents import RoutedPPO
    from oversight_gym.runs.config import TrainConfig
    from oversight_gym.runs.train import train

    def first_update(_: object) -> None:
        print(time.time() - began, flush=True)
        sys.exit(0)

    RoutedPPO.train = first_update  # type: ignore[method-assign, assignment]
    with tempfile.TemporaryDirectory() as folder:
        train(TrainConfig.of(run_dir=Path(folder) / "run"))


def train_some(rollouts: int) -> None:
    """Steps per second of a few rollouts, without start-up, evaluation and logs."""
    import torch

    from oversight_gym.runs.build import make_model
    from oversight_gym.runs.config import TrainConfig

    torch.set_num_threads(1)
    model = make_model(TrainConfig.of())
    size = model.n_steps * model.n_envs
    model.learn(size)
    began = time.perf_counter()
    model.learn(rollouts * size, reset_num_timesteps=False)
    print(rollouts * size / (time.perf_counter() - began))


def default_run() -> None:
    """The seconds of one default run, those spent on logs and on evaluations, and its peak memory in megabytes."""
    import oversight_gym.agents.ppo.rollouts as algorithm
    from oversight_gym.runs.config import TrainConfig
    from oversight_gym.runs.train import Logger, train

    spent = [0.0]

    def timed(function):
        def call(*arguments: object, **keywords: object) -> object:
            began = time.perf_counter()
            result = function(*arguments, **keywords)
            spent[0] += time.perf_counter() - began
            return result

        return call

    algorithm.record_outcomes = timed(algorithm.record_outcomes)  # type: ignore[assignment]
    algorithm.record_routing = timed(algorithm.record_routing)
    Logger.dump = timed(Logger.dump)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run = train(TrainConfig.of(run_dir=Path(folder) / "run"))
    print(run.record["seconds"], spent[0], run.record["evaluation_seconds"], peak_megabytes())


def median_of(words: list[str]) -> float:
    """Median wall-clock seconds of a Python process."""
    return seconds(lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL))


def main() -> None:
    nothing = median_of(["-c", "pass"])
    torch = median_of(["-c", "import torch"])
    package = median_of(["-c", "import oversight_gym, sys; sys.exit('torch' in sys.modules)"])
    shown = median_of(["-m", "oversight_gym", "--help"])
    update = statistics.median(answer(child(__file__, "begin", time.time()))[0] for _ in range(3))
    table(
        "Seconds of whole processes",
        ["process", "seconds", "beside an empty one"],
        [
            ["python, nothing", f"{nothing:.2f}", ""],
            ["import torch", f"{torch:.2f}", f"{torch / nothing:.0f}x"],
            ["import oversight_gym, torch not loaded", f"{package:.2f}", f"{package / nothing:.0f}x"],
            ["oversight-gym --help", f"{shown:.2f}", f"{shown / nothing:.0f}x"],
            ["oversight-gym train, to its first update", f"{update:.2f}", f"{update / nothing:.0f}x"],
        ],
    )
    pairs = []
    for _ in range(3):
        alone = answer(child(__file__, "some", 10))[0]
        both = [child(__file__, "some", 10) for _ in range(2)]
        pairs.append((sum(answer(process)[0] for process in both) / alone, alone))
    ratio, alone = statistics.median(pairs)
    print(f"two training processes side by side: {ratio:.2f}x the throughput of one ({rate(alone)} steps/s)\n")
    whole, logs, evaluations, peak = answer(child(__file__, "run"))
    print(
        f"a default run: {whole:.0f} s, logs {logs / whole:.1%}, evaluations {evaluations / whole:.1%}, "
        f"{peak:.0f} MB at its peak\n"
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["begin", began]:
            begin(float(began))
        case ["some", rollouts]:
            train_some(int(rollouts))
        case ["run"]:
            default_run()
        case _:
            main()

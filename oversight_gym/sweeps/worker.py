"""Trains one run in its own process; the config is the first line of the process's input.

The input stays open as long as the parent process lives; when it closes, this process ends at once.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from oversight_gym.envs import RequestError
from oversight_gym.envs.registry import load_plugin
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.stopping import Interrupted, RunFailed

Started = Callable[["subprocess.Popen[str]"], None]


def run_in_process(config: dict[str, Any], log: Path, started: Started = lambda _: None) -> bool:
    """Train one run in a process of its own.

    Args:
        config: the config, as given by ``TrainConfig.to_json``.
        log: the file for the output of the process.
        started: a function that is called with the process.

    Returns:
        Whether it succeeded. The process is killed if this one dies, or leaves by an exception.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        words = [sys.executable, "-m", "oversight_gym.sweeps.worker"]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=file, stderr=file, text=True, start_new_session=True
        )
        with process:
            started(process)
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps(config) + "\n")
                process.stdin.flush()
            except BrokenPipeError:  # it has died already
                pass
            else:
                process.wait()  # with its input open
            finally:
                process.kill()
    return process.returncode == 0


def _die_with(parent: TextIO) -> None:
    parent.read()
    os._exit(1)


def attempt(config: dict[str, Any]) -> int:
    """Train a run, or go on with it; one sentence on standard error where it cannot be.

    Args:
        config: of a ``TrainConfig``, by ``to_json``; its plug-ins are imported.

    Returns:
        The status that the command ``train`` would end with.

    Raises:
        Interrupted: as ``runs.train.train``.
    """
    from oversight_gym.runs.train import finished_run

    try:
        for plugin in config.get("plugin", ()):
            load_plugin(plugin)
        finished_run(TrainConfig.from_json(config))
    except RequestError as error:
        print(error, file=sys.stderr)
        return 2
    except RunFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def main() -> None:
    """Train the run that is asked for on standard input."""
    values = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with, args=[sys.stdin], daemon=True).start()
    try:
        sys.exit(attempt(values))
    except Interrupted as end:
        print(end, file=sys.stderr)
        sys.exit(end.status)


if __name__ == "__main__":
    main()

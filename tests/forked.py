"""Programs in processes of their own, forked from one that has imported them: to import torch takes seconds."""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "matplotlib.figure",
        "oversight_gym.cli.main",
        "oversight_gym.cli.comparing",
        "oversight_gym.cli.sweeping",
        "oversight_gym.evaluation.figures",
        "oversight_gym.pictures.files",
        "oversight_gym.runs.logs",
        "oversight_gym.runs.train",
        "torch._dynamo",
        "torch.utils.tensorboard",
    ]
)


def run_forked(words: list[str], cwd: str | Path = ".", timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """What ``python WORDS`` does: a script, or ``-m`` and a module, with arguments.

    Args:
        words: the words after ``python``.
        cwd: the folder to run in.
        timeout: seconds until the process is killed.

    Raises:
        subprocess.TimeoutExpired: if it was killed.
    """
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = FORKS.Process(target=_become, args=(words, str(cwd), dict(os.environ), str(out), str(err)))
        child.start()
        child.join(timeout)
        if child.is_alive():
            child.kill()
            raise subprocess.TimeoutExpired(words, timeout)
        assert child.exitcode is not None
        return subprocess.CompletedProcess(words, child.exitcode, out.read_text(), err.read_text())


def _become(words: list[str], cwd: str, environ: dict[str, str], *outputs: str) -> None:
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            sys.path.insert(0, str(Path(words[0]).parent))
            runpy.run_path(words[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()

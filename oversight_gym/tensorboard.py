"""TensorBoard, started with the arguments that fit our runs."""

import sys
from pathlib import Path

from oversight_gym.envs import RequestError
from oversight_gym.runs import EVENTS


def serve(folder: Path, port: int, host: str) -> None:
    """Serve the curves below a folder until interrupted.

    Raises:
        RequestError: if there are none, or the port cannot be used.
    """
    from tensorboard import program

    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give a run folder or a folder of runs.")
    if next(folder.rglob(EVENTS), None) is None:
        raise RequestError(f"{folder} holds no TensorBoard events; give a run folder or a folder of runs.")
    board = program.TensorBoard()
    arguments = {"logdir": folder, "port": port, "host": host, "samples_per_plugin": "scalars=1000,images=100,text=100"}
    arguments |= {"reload_multifile": True, "reload_interval": 10}
    board.configure((None, *(f"--{name}={value}" for name, value in arguments.items())))
    sys.exit(board.main())

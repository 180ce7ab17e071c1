"""TensorBoard, started with the arguments that fit our runs."""

import socket
import sys
from pathlib import Path

from oversight_gym.envs import RequestError
from oversight_gym.runs.folder import EVENTS


def serve(folder: Path, port: int, host: str) -> None:
    """Serve the curves below a folder until interrupted.

    Args:
        folder: a run, or a folder of runs.
        port: to listen at; 0 for any free one.
        host: to listen at.

    Raises:
        RequestError: if there are no curves, or the port cannot be used.
    """
    from tensorboard import program

    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give a run folder or a folder of runs.")
    if next(folder.rglob(EVENTS), None) is None:
        raise RequestError(f"{folder} holds no TensorBoard events; give a run folder or a folder of runs.")
    try:
        socket.create_server((host, port)).close()
    except (OSError, OverflowError) as error:
        raise RequestError(f"port {port} at {host} cannot be used ({error}); choose another --port.") from None
    board = program.TensorBoard()
    arguments = {"logdir": folder, "port": port, "host": host, "samples_per_plugin": "scalars=1000,images=100,text=100"}
    arguments |= {"reload_multifile": True, "reload_interval": 10}
    board.configure((None, *(f"--{name}={value}" for name, value in arguments.items())))
    sys.exit(board.main())

"""``tensorboard``: starts TensorBoard with suitable arguments for our runs."""

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from msgspec import Meta

from oversight_gym.envs import RequestError
from oversight_gym.envs.fields import Checked


@dataclass(frozen=True)
class TensorBoardOptions(Checked):
    """Start TensorBoard on a run or a folder of runs."""

    folder: tyro.conf.Positional[Path]
    """Run folder, or folder of runs."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 6006
    """Port; 0 for any free one."""
    host: str = "localhost"
    """Address to listen at."""


def serve(options: TensorBoardOptions) -> None:
    """Serve the curves below a folder until interrupted.

    Raises:
        RequestError: if there are no curves, or the port cannot be used.
    """
    from tensorboard import program

    from oversight_gym.runs.contents import EVENTS

    folder, host, port = options.folder, options.host, options.port
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give a run folder or a folder of runs.")
    if next(folder.rglob(EVENTS), None) is None:
        raise RequestError(f"{folder} holds no TensorBoard events; give a run folder or a folder of runs.")
    try:
        socket.create_server((host, port)).close()
    except (OSError, OverflowError) as error:
        raise RequestError(f"port {port} at {host} cannot be used ({error}); choose another `port`.") from None
    board = program.TensorBoard()
    arguments = {"logdir": folder, "port": port, "host": host, "samples_per_plugin": "scalars=1000,images=100,text=100"}
    arguments |= {"reload_multifile": True, "reload_interval": 10}
    board.configure((None, *(f"--{name}={value}" for name, value in arguments.items())))
    sys.exit(board.main())

"""Turns pictures into the content of files."""

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from oversight_gym.envs.errors import RequestError
from oversight_gym.files import write_whole

FILES = ("png", "svg")
matplotlib.rcParams["svg.hashsalt"] = "oversight-gym"  # the same chart gives the same file


def chart_files(figure: Figure, dpi: int = 150) -> dict[str, bytes]:
    """A chart in each of ``FILES``."""
    contents = {}
    for kind in FILES:
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
        contents[kind] = content.getvalue()
    return contents


def png(image: NDArray[np.uint8]) -> bytes:
    """An image (height, width, 3), uint8, as PNG."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", optimize=True)
    return content.getvalue()


def write_gif(path: Path, frames: Sequence[NDArray[np.uint8]], seconds: float, last: float | None = None) -> None:
    """Frames (height, width, 3), uint8, as a GIF that repeats.

    Args:
        path: the file.
        frames: the frames, all of one size.
        seconds: the number of seconds that each frame is shown.
        last: the number of seconds that the last frame is shown; None for the same.
    """
    durations = [1000 * seconds] * (len(frames) - 1) + [1000 * (last or seconds)]
    write_whole(path, imageio.imwrite("<bytes>", frames, extension=".gif", duration=durations, loop=0))


def write_mp4(path: Path, frames: Sequence[NDArray[np.uint8]], fps: float) -> None:
    """Frames (height, width, 3), uint8, with even sides, as an H.264 video.

    Raises:
        RequestError: if the extra ``video`` is not installed.
    """
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise RequestError("an mp4 needs the extra 'video'; install it with: pip install 'oversight-gym[video]'")
    options: dict[str, Any] = {"fps": fps, "macro_block_size": 2, "quality": 8}
    write_whole(path, imageio.imwrite("<bytes>", frames, extension=".mp4", plugin="FFMPEG", **options))

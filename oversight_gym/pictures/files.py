"""Pictures as the content of files."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from oversight_gym.files import write_whole

FILES = ("png", "svg")
matplotlib.rcParams["svg.hashsalt"] = "oversight-gym"  # the same figure gives the same file


def figure_files(figure: Figure, dpi: int = 150) -> dict[str, bytes]:
    """A figure in each of ``FILES``."""
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
        frames: all of one size.
        seconds: that each is shown.
        last: seconds that the last one is shown, if others.
    """
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    durations = [round(1000 * seconds)] * len(images)
    durations[-1] = round(1000 * (last or seconds))
    content = io.BytesIO()
    images[0].save(content, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
    write_whole(path, content.getvalue())

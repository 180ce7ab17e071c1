"""Policy maps as files: PNG and SVG of a trained run, a GIF over its training."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oversight_gym.agents.policy import Gate
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.policy_map import BACKGROUNDS, MapPainter, terminals_at
from oversight_gym.runs import Run, kept_weights, write_whole
from oversight_gym.tables import PATTERNS


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


def draw_map(
    run: Run,
    out: Path,
    gates: Sequence[Gate] = (),
    ghost: tuple[int, int] | None = None,
    diamond: tuple[int, int] | None = None,
    watched: str = "none",
    background: str = "gate",
    training: bool = False,
) -> list[Path]:
    """Draw the policy map of a run.

    Args:
        run: the run.
        out: folder for ``map.png`` and ``map.svg``, or ``map.gif``.
        gates: ``free``, experts' names, or weights of the first expert; all that the run has if empty.
        ghost, diamond: (row, column); the default layout's if None.
        watched: which terminals are under oversight, a key of ``PATTERNS``.
        background: a key of ``BACKGROUNDS``.
        training: draw the kept weights one after the other, as a GIF.

    Returns:
        The files.

    Raises:
        RequestError: for an impossible layout, gate or background, if no weights were kept, or nothing can be written.
    """
    choose("watched", watched, PATTERNS)
    choose("background", background, BACKGROUNDS)
    settings = list(gates or run.config.method_row.gates)
    config = run.config.grid
    painter = MapPainter(config, terminals_at(config, ghost, diamond), watched, background)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if training:
            frames = [
                painter.paint(policy, settings, f"{run.title}: {step:,} steps") for step, policy in kept_weights(run)
            ]
            if not frames:
                raise RequestError(f"{run.folder} has kept no weights; train it with --keep-weights.")
            write_gif(out / "map.gif", frames, 0.7, last=2.5)
            return [out / "map.gif"]
        figure = painter.figure(run.policy, settings, run.title)
        for kind in ("png", "svg"):
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
            write_whole(out / f"map.{kind}", content.getvalue())
        return [out / "map.png", out / "map.svg"]
    except OSError as error:
        raise RequestError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error

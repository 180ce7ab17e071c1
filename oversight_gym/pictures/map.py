"""Policy maps as files: PNG and SVG of a trained run, a GIF over its training."""

from collections.abc import Sequence
from pathlib import Path

from oversight_gym.agents.policies.steering import Gate
from oversight_gym.envs import RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.evaluation.situations import PATTERNS
from oversight_gym.files import write_whole
from oversight_gym.pictures.files import FILES, figure_files, write_gif
from oversight_gym.pictures.policy_map import BACKGROUNDS, MapPainter, terminals_at
from oversight_gym.runs.folder import Run, kept_weights


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
    settings = list(gates or run.config.gates)
    config = run.config.env
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
        for kind, picture in figure_files(figure, dpi=160).items():
            write_whole(out / f"map.{kind}", picture)
        return [out / f"map.{kind}" for kind in FILES]
    except OSError as error:
        raise RequestError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error

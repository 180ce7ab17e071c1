"""Lines of text and bars on a surface."""

from functools import lru_cache
from pathlib import Path

import pygame

from oversight_gym.envs.drawing.board import PATH
from oversight_gym.envs.drawing.palette import INK, Rgb, rgb

BACKGROUND, TEXT, FAINT, TRACK = (252, 251, 248), rgb(INK), PATH, (226, 223, 216)
SMOOTH = 4
"""The factor by which corners are drawn larger before they are scaled down."""


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> pygame.font.Font:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    pygame.font.init()
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return pygame.font.Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


@lru_cache(maxsize=512)
def _written(text: str, size: int, colour: Rgb, bold: bool) -> pygame.Surface:
    return font(size, bold).render(text, True, colour)


def fitting(text: str, size: int, bold: bool, width: int) -> int:
    """The largest font size up to ``size`` at which a line is no wider."""
    while size > 8 and font(size, bold).size(text)[0] > width:
        size -= 1
    return size


def write(
    surface: pygame.Surface,
    text: str,
    at: tuple[float, float],
    size: int = 14,
    colour: Rgb = TEXT,
    bold: bool = False,
    width: int | None = None,
) -> None:
    """Write a line of text; the font is smaller if the line would be wider than ``width``."""
    if width is not None:
        size = fitting(text, size, bold, width)
    surface.blit(_written(text, size, colour, bold), at)


@lru_cache(maxsize=512)
def _rounded(size: tuple[int, int], colour: Rgb, radius: int) -> pygame.Surface:
    width, height = size
    large = pygame.Surface((SMOOTH * width, SMOOTH * height), pygame.SRCALPHA)
    large.fill((*colour, 0))
    pygame.draw.rect(large, colour, large.get_rect(), border_radius=SMOOTH * radius)
    return pygame.transform.smoothscale(large, size)


def rounded(surface: pygame.Surface, rect: pygame.Rect, colour: Rgb, radius: int = 6) -> None:
    """Fill a rectangle with round, anti-aliased corners."""
    surface.blit(_rounded(rect.size, colour, radius), rect)


def bar(surface: pygame.Surface, rect: pygame.Rect, share: float, colour: Rgb) -> None:
    """A horizontal bar filled from the left."""
    rounded(surface, rect, TRACK, 4)
    filled = pygame.Rect(rect.x, rect.y, round(rect.w * min(max(share, 0.0), 1.0)), rect.h)
    if filled.w > 1:
        rounded(surface, filled, colour, 4)

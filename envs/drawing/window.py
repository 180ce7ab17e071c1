"""A pygame window. Without a display there is an error in one sentence, or an invisible window."""

import os
import sys
from typing import Any

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import pygame
from gymnasium import logger

from oversight_gym.envs.errors import RequestError

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


def has_display() -> bool:
    """Whether a window can be expected to open."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in _DISPLAYS)


def open_display(size: tuple[int, int], title: str, flags: int = 0) -> pygame.Surface:
    """Open the window.

    Raises:
        RequestError: if there is no display.
    """
    try:
        if not has_display():
            raise pygame.error("neither DISPLAY nor WAYLAND_DISPLAY is set")
        pygame.display.init()
        surface = pygame.display.set_mode(size, flags)
    except pygame.error as error:
        pygame.display.quit()
        raise RequestError(
            f"a window needs a display, and there is none ({error}); use render_mode='rgb_array', or `record` a GIF."
        ) from None
    pygame.display.set_caption(title)
    return surface


def _open_unseen(size: tuple[int, int]) -> pygame.Surface:
    """An invisible window of SDL's dummy driver, which Gymnasium's own environments also use without a display."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    try:
        pygame.display.init()
        return pygame.display.set_mode(size)
    finally:
        del os.environ["SDL_VIDEODRIVER"]


class Window:
    """Shows pictures at a steady rate. Without a display it warns and uses an invisible window, so that programs and
    Gymnasium's ``check_env`` run there, too.

    Args:
        size: the size in pixels.
        title: the window's title.
    """

    def __init__(self, size: tuple[int, int], title: str) -> None:
        if has_display():
            self.surface = open_display(size, title)
        else:
            logger.warn("there is no display, so nobody sees render_mode='human'; use render_mode='rgb_array'.")
            self.surface = _open_unseen(size)
        self.clock = pygame.time.Clock()

    def show(self, picture: Any, fps: float) -> None:
        """Show a picture and wait until the next one is due."""
        pygame.event.pump()
        self.surface.blit(picture, (0, 0))
        pygame.display.flip()
        self.clock.tick(fps)

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()

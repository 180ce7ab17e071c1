"""A pygame window, or a clear sentence where there is no display."""

import os
import sys
from typing import Any

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import pygame

from oversight_gym.envs.errors import RequestError

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


def open_display(size: tuple[int, int], title: str, flags: int = 0) -> pygame.Surface:
    """Open the window.

    Raises:
        RequestError: if there is no display.
    """
    try:
        if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAYS):
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


class Window:
    """Shows pictures at a steady rate; a click on its close button ends the program's rendering.

    Args:
        size: in pixels.
        title: of the window.
    """

    def __init__(self, size: tuple[int, int], title: str) -> None:
        self.surface = open_display(size, title)
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

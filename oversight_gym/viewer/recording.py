"""Records without a window: a GIF or MP4 of episodes, or a contact sheet of one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray

from oversight_gym.envs import RequestError
from oversight_gym.envs.drawing.board import pixels
from oversight_gym.files import write_whole
from oversight_gym.pictures.files import png, write_gif, write_mp4
from oversight_gym.viewer.scene import Scene
from oversight_gym.viewer.session import Session
from oversight_gym.viewer.text import BACKGROUND

FPS = 4
LAST = 5
"""The number of frames for which the end of an episode is shown."""
TILE = 48


def episode_frames(
    session: Session, overlay: bool, tile: int = TILE, action: Callable[[], int] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """The frames of the session's current episode, (height, width, 3), uint8.

    Args:
        session: the session that is recorded.
        overlay: whether to draw the policy on every square.
        tile: the number of pixels per square.
        action: a function that gives each action, if the session has no policy.
    """
    scene = Scene(session, tile, details=False)
    surface = pygame.Surface([side + side % 2 for side in scene.size])  # video codecs want even sides

    def frame() -> NDArray[np.uint8]:
        scene.draw(surface, overlay)
        return pixels(surface)

    yield frame()
    while not session.ended:
        session.step(None if action is None else action())
        yield frame()


def record(session: Session, path: Path, episodes: int, overlay: bool, tile: int = TILE) -> int:
    """Record episodes as GIF or MP4, by the file's suffix.

    Args:
        session: the session that is recorded.
        path: the file.
        episodes: the number of episodes.
        overlay: whether to draw the policy on every square.
        tile: the number of pixels per square.

    Returns:
        Number of frames.

    Raises:
        RequestError: for another suffix, or a file that cannot be written.
    """
    if path.suffix not in (".gif", ".mp4"):
        raise RequestError(f"{path} is neither .gif nor .mp4; name the recording so.")
    frames: list[NDArray[np.uint8]] = []
    for episode in range(episodes):
        if episode:
            session.next_episode()
        frames += episode_frames(session, overlay, tile)
        frames += [frames[-1]] * LAST
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".gif":
            write_gif(path, frames, 1 / FPS)
        else:
            write_mp4(path, frames, FPS)
    except OSError as error:
        raise RequestError(f"{path} cannot be written ({error.strerror}); choose another file.") from error
    return len(frames)


def contact_sheet(session: Session, path: Path, overlay: bool, tile: int = TILE, columns: int = 4) -> int:
    """The current episode, every step beside the next, as one PNG; returns the number of steps.

    Raises:
        RequestError: if the file cannot be written.
    """
    frames = list(episode_frames(session, overlay, tile))
    columns = min(columns, len(frames))
    height, width, _ = frames[0].shape
    sheet = np.full((-(-len(frames) // columns) * height, columns * width, 3), BACKGROUND, dtype=np.uint8)
    for index, frame in enumerate(frames):
        row, col = divmod(index, columns)
        sheet[row * height : (row + 1) * height, col * width : (col + 1) * width] = frame
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, png(sheet))
    except OSError as error:
        raise RequestError(f"{path} cannot be written ({error.strerror}); choose another file.") from error
    return len(frames) - 1

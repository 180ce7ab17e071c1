"""Watches, plays and records episodes. No display is needed until a window is opened."""

from pathlib import Path
from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.viewer.app import App
    from oversight_gym.viewer.pane import Pane
    from oversight_gym.viewer.recording import contact_sheet, record
    from oversight_gym.viewer.session import Session
    from oversight_gym.viewer.start import watched_panes

SCREENSHOTS = Path("runs/screenshots")
"""The default folder of screenshots."""
_HOMES = {
    "App": "app",
    "Pane": "pane",
    "Session": "session",
    "contact_sheet": "recording",
    "record": "recording",
    "watched_panes": "start",
}

__all__ = ["SCREENSHOTS", "App", "Pane", "Session", "contact_sheet", "record", "watched_panes"]


__getattr__ = lazily(__name__, _HOMES)  # pygame and torch are loaded only when a name asks for them

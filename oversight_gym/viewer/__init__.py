"""Watching, playing and recording episodes. Needs no display until a window is opened."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.viewer.app import App
    from oversight_gym.viewer.pane import Pane
    from oversight_gym.viewer.recording import contact_sheet, record
    from oversight_gym.viewer.session import Session
    from oversight_gym.viewer.start import watched_panes

_HOMES = {
    "App": "app",
    "Pane": "pane",
    "Session": "session",
    "contact_sheet": "recording",
    "record": "recording",
    "watched_panes": "start",
}

__all__ = ["App", "Pane", "Session", "contact_sheet", "record", "watched_panes"]


def __getattr__(name: str) -> Any:  # pygame and torch are loaded only when a name asks for them
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Pictures: the policy map, charts as PNG and SVG, frames as GIF and MP4."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.pictures.files import chart_files, png, write_gif, write_mp4
    from oversight_gym.pictures.policy_map import MapPainter

_HOMES = {
    "MapPainter": "policy_map",
    "chart_files": "files",
    "png": "files",
    "write_gif": "files",
    "write_mp4": "files",
}

__all__ = [
    "MapPainter",
    "chart_files",
    "png",
    "write_gif",
    "write_mp4",
]


def __getattr__(name: str) -> Any:  # matplotlib and torch are loaded only when a name asks for them
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Pictures: the policy map, charts as PNG and SVG, frames as GIF and MP4."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

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


__getattr__ = lazily(__name__, _HOMES)  # matplotlib and torch are loaded only when a name asks for them

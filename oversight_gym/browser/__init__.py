"""Exports a trained agent as one web page that computes everything itself."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.browser.export import export_page

_HOMES = {"export_page": "export"}

__all__ = ["export_page"]


__getattr__ = lazily(__name__, _HOMES)  # torch is loaded only when the name asks for it

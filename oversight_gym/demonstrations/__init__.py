"""Gradient routing beyond the gridworld: latents, a steering scalar, unlearning, classification."""

from importlib import import_module
from typing import TYPE_CHECKING

from oversight_gym.envs.errors import choose

if TYPE_CHECKING:
    from oversight_gym.demonstrations.study import Demonstration

NAMES = ("digits", "classes", "scalar", "unlearn", "edges")
"""Every demonstration; the module of that name holds it in capitals."""


def demonstration(name: str) -> "Demonstration":
    """A demonstration by its name.

    Raises:
        RequestError: if there is none of that name.
    """
    choose("name", name, dict.fromkeys(NAMES, ""))
    found: Demonstration = getattr(import_module(f"{__name__}.{name}"), name.upper())
    return found

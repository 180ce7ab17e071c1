"""The base of views, and the registry of views."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from oversight_gym.envs.registry import Registry, make_part
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


class View(ABC):
    """The part of a situation and a dynamic state that the policy sees: a frozen dataclass whose fields are its
    parameters."""

    @abstractmethod
    def space(self, world: World) -> spaces.Space[Any]:
        """The space of one observation."""

    @abstractmethod
    def observe(self, world: World, state: State) -> NDArray[Any]:
        """The observations of ``n`` episodes, shape ``(n, *shape)``, of the space's dtype."""

    def planes(self, world: World) -> tuple[str, ...]:
        """The names along the observation's first axis if it consists of planes of the grid; else empty."""
        return ()

    def moving(self, world: World) -> NDArray[np.integer] | None:
        """The entries of a binary observation that each dynamic state sets, as flat positions, shape (states, entries).

        All other entries stay the same for a whole episode, so that a step changes only these. None if an observation
        has to be made anew after every step.
        """
        return None

    def still(self, world: World, state: State) -> NDArray[Any] | None:
        """The entries that stay the same for a whole episode, from which :meth:`looking` picks, shape (n, still
        entries), of the space's dtype."""
        return None

    def looking(self, world: World) -> NDArray[np.intp] | None:
        """The still entry that each entry of an observation shows in each dynamic state, shape (states, entries); or
        None."""
        return None


VIEWS: Registry[type[View]] = Registry("view", "oversight_gym.views")


def make_view(text: str) -> View:
    """The view that a text names, for example ``planes``; errors as in ``make_part``."""
    return make_part(VIEWS, text)

"""What a view is, and the registry of views."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from oversight_gym.envs.registry import Registry, make_part
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World


class View(ABC):
    """What the policy sees of a situation and a dynamic state: a frozen dataclass, its fields its parameters."""

    @abstractmethod
    def space(self, world: World) -> spaces.Space[Any]:
        """The space of one observation."""

    @abstractmethod
    def observe(self, world: World, state: State) -> NDArray[Any]:
        """The observations of ``n`` episodes, shape ``(n, *shape)``, of the space's dtype."""

    def planes(self, world: World) -> tuple[str, ...]:
        """Names of the observation's first axis, where that axis is planes of the grid; else empty."""
        return ()

    def moving(self, world: World) -> NDArray[np.integer] | None:
        """Which entries of a binary observation the dynamic state sets, shape (states, entries), flat positions.

        All other entries stay what they are for a whole episode, so that a step changes these alone. None where an
        observation has to be made anew after every step.
        """
        return None

    def still(self, world: World, state: State) -> NDArray[Any] | None:
        """What stays the same for a whole episode, where :meth:`looking` picks from it, shape (n, still entries)."""
        return None

    def looking(self, world: World) -> NDArray[np.intp] | None:
        """Which still entry each entry of an observation is in each dynamic state, shape (states, entries); or None."""
        return None


VIEWS: Registry[type[View]] = Registry("view", "oversight_gym.views")


def make_view(text: str) -> View:
    """The view that a text names, for example ``planes``; errors as in ``make_part``."""
    return make_part(VIEWS, text)

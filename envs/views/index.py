"""A view that shows the situation as one number, for tabular methods."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.views.view import VIEWS, View
from oversight_gym.envs.world.state import State
from oversight_gym.envs.world.tables import World

MOST = 2**31
"""The largest number of situations."""


@dataclass(frozen=True)
class Index(View):
    """One integer for everything that ``planes`` shows except false marks. In mixed radix it holds the dynamic state
    and, for each terminal, its square, its look and whether it is shown as overseen."""

    def _radices(self, world: World) -> tuple[int, ...]:
        terminals = len(world.kind_of)
        return world.states, *[world.grid.squares] * terminals, *[world.looks] * terminals, *[2] * terminals

    def space(self, world: World) -> spaces.Space[Any]:
        situations = 1
        for radix in self._radices(world):
            situations *= radix
        if situations > MOST:
            raise RequestError(
                f"view 'index' would number {situations:,} situations; make the grid smaller, so that there are at "
                f"most {MOST:,}."
            )
        return spaces.Discrete(situations)

    def observe(self, world: World, state: State) -> NDArray[np.int64]:
        looks = np.zeros(state.terminals.shape, dtype=np.int8) if state.looks is None else state.looks
        digits = state.dynamic, *state.terminals.T, *looks.T, *state.displayed.T
        number = np.zeros(len(state), dtype=np.int64)
        for radix, digit in zip(self._radices(world), digits, strict=True):
            number = number * radix + digit
        return number


VIEWS.register("index", Index)

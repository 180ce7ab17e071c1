"""The mark of each kind of terminal in every picture: a letter, a colour and a shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from string import ascii_lowercase

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.palette import INK, SERIES, rgb
from oversight_gym.envs.world.kinds import KINDS

_AGENT = "a"
_SHAPED = {"ghost": shapes.GHOST, "diamond": shapes.GEM}
_FEWEST_SIDES = 3


@dataclass(frozen=True)
class Mark:
    """The way one kind is drawn.

    Attributes:
        kind: its name.
        letter: one capital letter that no other kind of the world has.
        colour: ``#rrggbb``.
        sides: the number of sides of its polygon, if it has no sprite of its own.
        look: the number of its look; every further look is paler and has one more dot in the corner.
    """

    kind: str
    letter: str
    colour: str
    sides: int
    look: int = 0

    def with_look(self, look: int) -> "Mark":
        """The same mark in another look."""
        return replace(self, look=look)

    @property
    def fill(self) -> str:
        """Its colour in this look, ``#rrggbb``."""
        own = 0.6**self.look
        return "#" + bytes(round(own * part + (1 - own) * 255) for part in rgb(self.colour)).hex()

    @property
    def outline(self) -> shapes.Outline:
        return _SHAPED[self.kind] if self.kind in _SHAPED else shapes.polygon(self.sides)

    @property
    def lettered(self) -> bool:
        """Whether its letter stands on its shape."""
        return self.kind not in _SHAPED

    @property
    def letter_colour(self) -> str:
        """Dark on a light shape, white on a dark one."""
        red, green, blue = rgb(self.fill)
        return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else "#ffffff"


def letters(names: Sequence[str], taken: str = "") -> list[str]:
    """One lower-case letter per name: its first letter that is still free, or else the first free letter of the
    alphabet."""
    chosen: list[str] = []
    for name in names:
        wanted = (c for c in (*name.lower(), *ascii_lowercase) if c in ascii_lowercase)
        chosen.append(next((c for c in wanted if c not in (*taken, *chosen)), "?"))
    return chosen


@lru_cache(maxsize=64)
def marks(kinds: tuple[str, ...]) -> tuple[Mark, ...]:
    """The mark of each kind of a world, in their order."""
    lettered = zip(kinds, letters(kinds, _AGENT), strict=True)
    return tuple(
        Mark(kind, letter.upper(), KINDS[kind].colour, _FEWEST_SIDES + place)
        for place, (kind, letter) in enumerate(lettered)
    )


def terminal_marks(config: EnvConfig, looks: Sequence[int] | None = None) -> tuple[Mark, ...]:
    """The mark of each terminal of an environment, in the first look or in the given looks."""
    looks = [0] * len(config.terminals) if looks is None else looks
    return tuple(marks(config.kinds)[kind].with_look(look) for kind, look in zip(config.kind_of, looks, strict=True))


@lru_cache(maxsize=64)
def expert_colours(experts: tuple[str, ...]) -> tuple[str, ...]:
    """The colour of each expert, ``#rrggbb``: that of the kind it is named after, or else one that no other has."""
    known = {name: KINDS[name].colour for name in experts if name in KINDS}
    spare = iter([colour for colour in SERIES if colour not in known.values()] * len(experts))
    return tuple(known.get(name) or next(spare) for name in experts)

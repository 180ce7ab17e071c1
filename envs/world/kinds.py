"""The kinds of terminals, and what reaching one is worth."""

from dataclasses import dataclass

from oversight_gym.envs.registry import Registry


@dataclass(frozen=True)
class Kind:
    """A kind of terminal square.

    Attributes:
        name: one lower-case word, which is also the name of the expert that its episodes are routed to.
        value: the true value of an episode that ends there.
        colour: ``#rrggbb``, in every picture.
    """

    name: str
    value: float
    colour: str


KINDS: Registry[Kind] = Registry("kind", "oversight_gym.kinds")


def register_kind(kind: Kind) -> Kind:
    """Add a kind, so that an environment's ``kinds`` may name it.

    Raises:
        RequestError: if the name is taken.
    """
    return KINDS.register(kind.name, kind)


for _kind in (
    Kind("ghost", -1.0, "#D55E00"),
    Kind("diamond", +1.0, "#0072B2"),
    Kind("coin", +0.3, "#009E73"),
    Kind("pearl", +0.6, "#CC79A7"),
    Kind("thorn", -0.5, "#E69F00"),
    Kind("bomb", -1.0, "#2d3440"),
):
    register_kind(_kind)


def most_valuable_first(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds in descending order of value; kinds of equal value keep their order."""
    return tuple(sorted(kinds, key=lambda name: -KINDS[name].value))

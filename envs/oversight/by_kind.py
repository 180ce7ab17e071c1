"""Parts with a number for each kind of terminal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import NotNegative


@dataclass(frozen=True, init=False)
class ByKind:
    """The base of parts that have a number for each kind, as in ``errs:ghost=0.2,every=0.1``.

    Attributes:
        numbers: the numbers by the kind's name; ``every`` is for the kinds that are not named.
        others: the type of the numbers.
    """

    numbers: tuple[tuple[str, float], ...]

    others = NotNegative

    def __init__(self, **numbers: float) -> None:
        object.__setattr__(self, "numbers", tuple(sorted(numbers.items())))

    def of(self, kinds: tuple[str, ...], default: float) -> NDArray[np.float64]:
        """The number of each kind, ``default`` where there is none, shape (kinds,).

        Raises:
            RequestError: if a kind is named that is not among these.
        """
        numbers = dict(self.numbers)
        default = numbers.pop("every", default)
        for name in numbers:
            if name not in kinds:
                raise RequestError(f"{name!r} is no kind of terminal here; name {', '.join(kinds)}, or 'every'.")
        return np.array([numbers.get(kind, default) for kind in kinds])

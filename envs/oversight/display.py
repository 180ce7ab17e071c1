"""How terminals are shown to the policy: their appearance, and whether they are flagged as overseen."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import Probability
from oversight_gym.envs.registry import Registry

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass(frozen=True)
class Flag:
    """The policy is shown the truth. It is the base of the others."""

    def flagged(self) -> tuple[float, float]:
        """The chance that a terminal is shown as overseen, without oversight and with it."""
        return 0.0, 1.0


@dataclass(frozen=True)
class Hidden(Flag):
    """The policy is shown nothing of oversight."""

    def flagged(self) -> tuple[float, float]:
        return 0.0, 0.0


@dataclass(frozen=True)
class Noisy(Flag):
    """The policy is sometimes shown wrong flags, drawn for each terminal and kept for the whole episode.

    Attributes:
        missed: the chance that a terminal under oversight is not flagged.
        imagined: the chance that a terminal without oversight is flagged.
    """

    missed: Probability = 0.1
    imagined: Probability = 0.1

    def flagged(self) -> tuple[float, float]:
        return self.imagined, 1 - self.missed


FLAGS: Registry[type[Flag]] = Registry("flag", "oversight_gym.flags")
FLAGS.register("true", Flag)
FLAGS.register("hidden", Hidden)
FLAGS.register("noisy", Noisy)


@dataclass(frozen=True, eq=False)
class Display:
    """The distribution of how terminals are shown, given whether they are under oversight.

    Attributes:
        probability: shape (terminals, 2, looks, 2), float64: the chance of each look and flag (last axis: not shown as
            overseen, shown), without oversight and with it (second axis).
        possible: the same shape, bool: what can be at some rate of oversight.
    """

    probability: NDArray[np.float64]
    possible: NDArray[np.bool_]

    @property
    def looks(self) -> int:
        """The number of looks of a kind."""
        return int(self.probability.shape[2])

    def draw(
        self, overseen: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.int8] | None, NDArray[np.bool_]]:
        """Draw looks (n, terminals), None where there is only one, and flags (n, terminals), columns contiguous."""
        terminals, looks = len(self.probability), self.looks
        cumulative = self.probability.reshape(terminals, 2, 2 * looks).cumsum(axis=2)
        chances = cumulative[np.arange(terminals), overseen.astype(np.intp)]
        chosen = (rng.random((*overseen.shape, 1)) * chances[..., -1:] >= chances[..., :-1]).sum(axis=2)
        look, flag = np.divmod(chosen, 2)
        return np.asfortranarray(look.astype(np.int8)) if looks > 1 else None, np.asfortranarray(flag.astype(bool))


def make_display(config: "EnvConfig") -> Display | None:
    """How an environment shows its terminals; None where each kind has one look and flags are true.

    All looks of a kind are equally likely, and only the first ``labelled_looks`` of them are ever under oversight.

    Raises:
        RequestError: if these looks are too few for the oversight probability.
    """
    imagined, shown = config.flag_part.flagged()
    if config.looks == 1 and (imagined, shown) == (0.0, 1.0):
        return None
    flags = np.array([[1 - imagined, imagined], [1 - shown, shown]])
    if config.looks == 1:
        found = np.broadcast_to(flags[:, None], (len(config.terminals), 2, 1, 2))
        return Display(found, found > 0)
    watched = config.process.marginal(config)
    share = config.labelled_looks / config.looks
    if watched.max() > share + 1e-12:
        raise RequestError(
            f"oversight_probability is {config.oversight_probability:g}, but only {config.labelled_looks} of "
            f"{config.looks} looks are ever labelled, {share:.3g} of the terminals; lower it or raise labelled_looks."
        )
    labelled = np.arange(config.looks) < config.labelled_looks
    with_oversight = np.broadcast_to(labelled / labelled.sum(), (len(watched), config.looks))
    left = 1 / config.looks - watched[:, None] * with_oversight  # of each look, without oversight
    without = np.maximum(left, 0) / np.maximum(1 - watched, 1e-300)[:, None]
    without[watched == 1] = 1 / config.looks  # never used
    looks = np.stack([without, with_oversight], axis=1)
    possible = np.stack([np.ones_like(labelled), labelled])[..., None] & (flags[:, None] > 0)
    return Display(looks[..., None] * flags[:, None], np.broadcast_to(possible, (*looks.shape, 2)))

"""How the supervisor reports the terminals that it sees."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import Probability
from oversight_gym.envs.oversight.by_kind import ByKind
from oversight_gym.envs.registry import Registry

if TYPE_CHECKING:
    from oversight_gym.envs.config import EnvConfig


@dataclass(frozen=True)
class Supervisor:
    """A supervisor that is never wrong. It is the base of the others."""

    def reports(self, config: "EnvConfig") -> NDArray[np.float64]:
        """The chance that a seen terminal of each kind (row) is reported as each kind (column), shape (kinds, kinds).

        Raises:
            RequestError: if the environment lacks what the supervisor needs.
        """
        return np.eye(len(config.kinds))


@dataclass(frozen=True, init=False)
class Erring(ByKind, Supervisor):
    """Each kind is reported as another kind with a chance of its own, as in ``errs:ghost=0.2,diamond=0.05``.

    With ``errs:every=0.1`` the chance holds for all kinds that are not named. All wrong kinds are equally likely.
    """

    others = Probability

    def reports(self, config: "EnvConfig") -> NDArray[np.float64]:
        kinds = len(config.kinds)
        if kinds == 1:
            raise RequestError("supervisor 'errs' needs two kinds of terminals or more; add one to kinds.")
        wrong = self.of(config.kinds, 0.0)
        return np.diag(1 - wrong) + (1 - np.eye(kinds)) * wrong[:, None] / (kinds - 1)


SUPERVISORS: Registry[type[Supervisor]] = Registry("supervisor", "oversight_gym.supervisors")
SUPERVISORS.register("reliable", Supervisor)
SUPERVISORS.register("errs", Erring)

"""What an attacker is handed: a trained policy, or what is left of it after one way or another to take a skill out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.world.kinds import most_valuable_first
from oversight_gym.evaluation.probabilities import policy_query
from oversight_gym.localisation.assister import Bench, Tuning
from oversight_gym.localisation.networks import distilled, fresh, lone, muted, pruned
from oversight_gym.localisation.scores import attribution, top_masks
from oversight_gym.localisation.tasks import draw_data
from oversight_gym.localisation.units import Units
from oversight_gym.runs.folder import Run

IMPAIRED, EXTRACTED = 0.25, 0.5
"""Shares of the units of a network that are silenced, and kept."""
SITUATIONS, TRAINED_ON = 512, 320
"""Of each task by which units are chosen, and those of them that its assister is fine-tuned on."""
_STREAM = 18
"""Of a seed, for what is drawn here."""


@dataclass(frozen=True)
class Victim:
    """A trained run, and the seed of whatever is drawn to take something out of it."""

    run: Run
    seed: int = 0

    @property
    def policy(self) -> GatedMixturePolicy:
        return self.run.policy

    @property
    def env(self) -> EnvConfig:
        return self.run.config.env

    @property
    def gate(self) -> str:
        """The gate that the policy is used with."""
        return self.run.config.gate

    @property
    def mixed(self) -> bool:
        """Whether the policy has several experts."""
        return len(self.policy.experts) > 1

    def rng(self) -> np.random.Generator:
        """Draws that are the same every time."""
        return np.random.default_rng([self.seed, _STREAM])

    @cached_property
    def used(self) -> GatedMixturePolicy:
        """The policy of one network as it is used: the expert that it is steered to, alone, or all there is.

        Raises:
            RequestError: if it has several experts and is used with its gate free.
        """
        if self.mixed and self.gate not in self.policy.experts:
            raise RequestError(f"the run is used with gate {self.gate}, so no expert can be left out; choose another.")
        return lone(self.policy, self.gate if self.mixed else self.policy.experts[0])

    def more_for(self, task: str, other: str) -> NDArray[np.float64]:
        """By how much more each unit of :attr:`used` does for one task than for another, shape (units,).

        By gradient attribution, each relative to the mean of the units of the same depth.
        """
        policy, units, rng, found = self.used, Units.of(self.used), self.rng(), []
        for name in (task, other):
            bench = Bench.of(units, draw_data(name, policy, self.env, SITUATIONS, rng), TRAINED_ON)
            generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
            found.append(attribution(policy, bench, Tuning(), generator))
        return np.asarray((found[0] - found[1]).double())

    def chosen(self, task: str, other: str, share: float) -> NDArray[np.bool_]:
        """The share of the units of :attr:`used` that do most for one task over another, shape (units,)."""
        scores = self.more_for(task, other)
        size = max(1, round(share * len(scores)))
        return np.asarray(top_masks(torch.from_numpy(scores), [size])[0].bool())

    @property
    def tasks(self) -> tuple[str, str]:
        """Reaching the most valuable kind of terminal, and reaching the least valuable one."""
        kinds = most_valuable_first(self.env.kinds)
        return f"reach-{kinds[0]}", f"reach-{kinds[-1]}"


@dataclass(frozen=True)
class Start:
    """A way to hand a policy to an attacker.

    Attributes:
        summary: one sentence.
        make: from a victim to a policy that shares no weights with it.
        experts: whether it needs several experts.
    """

    summary: str
    make: Callable[[Victim], GatedMixturePolicy]
    experts: bool = False


def _impaired(victim: Victim) -> GatedMixturePolicy:
    wanted, unwanted = victim.tasks
    return muted(victim.used, (~victim.chosen(unwanted, wanted, IMPAIRED)).astype(np.float64))


def _distilled(victim: Victim) -> GatedMixturePolicy:
    gate: Gate = victim.gate if victim.mixed else None
    query = policy_query(victim.policy, [gate])
    student = fresh(victim.policy, victim.seed)
    return distilled(lambda seen: query(seen)[0], student, victim.env, victim.rng())


STARTS: dict[str, Start] = {
    "as-trained": Start("nothing is taken out, the gate is free", lambda victim: victim.policy),
    "ablated": Start("the expert that it is steered to, the others and the gate cut away", lambda v: v.used, True),
    "impaired": Start(f"{IMPAIRED:.0%} of the units silenced that do most for what is not wanted", _impaired),
    "extracted": Start(
        f"{EXTRACTED:.0%} of the units kept that do most for what is wanted, the rest cut away",
        lambda victim: pruned(victim.used, victim.chosen(*victim.tasks, EXTRACTED)),
    ),
    "distilled": Start("a fresh network that imitates the policy as it is used", _distilled),
    "fresh": Start("control: a fresh network of the same size", lambda victim: fresh(victim.policy, victim.seed)),
}
"""Every start by name. Impaired, extracted and distilled begin with the policy as it is used."""


def starts_of(victim: Victim) -> tuple[str, ...]:
    """The starts that there are of a run: without several experts nothing is ablated."""
    return tuple(name for name, start in STARTS.items() if victim.mixed or not start.experts)

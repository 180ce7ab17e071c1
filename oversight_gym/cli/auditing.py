"""``audit``."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from oversight_gym.cli.common import PluginOptions
from oversight_gym.envs.fields import Probability, Seed

if TYPE_CHECKING:
    from oversight_gym.runs.audit import Audit


@dataclass(frozen=True)
class AuditOptions(PluginOptions):
    """Check that methods do not peek: flip the kinds that nobody saw, and compare the trained weights bit for bit."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Methods to audit; default: all."""
    oversight: Probability = 0.3
    """The probability that a terminal square is under oversight."""
    kinds: tuple[str, ...] = ("ghost", "diamond")
    """Kinds of terminals."""
    seed: Seed = 0
    """Seed of both runs."""


def audit(options: AuditOptions) -> None:
    """Audit methods and print what was found; exits with status 1 if one peeks."""
    from oversight_gym.agents.methods.builtin import METHODS
    from oversight_gym.runs.audit import audit
    from oversight_gym.runs.config import TrainConfig

    world = {"oversight": options.oversight, "seed": options.seed, "kinds": options.kinds}
    configs = [TrainConfig.of(method=name, plugin=options.plugin, **world) for name in options.names or METHODS]
    audits = [_told(audit(config)) for config in configs]
    if not all(found.legal for found in audits):
        sys.exit(1)


def _told(found: "Audit") -> "Audit":
    print(f"{found.method}: {'legal' if found.legal else 'PEEKS'}")
    if found.changed:
        same = f"{len(found.changed)} of {found.parameters} parameters changed, {found.changed[0]} first"
    else:
        same = f"all {found.parameters} parameters stayed the same bit for bit"
    print(f"    weights  {same}: {found.updates} updates, {found.unobserved} flipped endings")
    print(f"    read     {', '.join(found.read) or 'nothing beside what every learner is handed'}")
    if found.forbidden:
        print(f"    of this {', '.join(found.forbidden)} is the simulator's own, which no learner is handed")
    return found

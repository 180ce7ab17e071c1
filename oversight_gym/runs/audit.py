"""Checks that a method does not peek: flipping the kinds of unobserved terminals must not change a single bit of its
updates.

There are two runs of a few updates from the same seed. In the second, the learner gets another kind wherever the
supervisor saw none. The attributes that the method's own code reads are recorded, and it may not read the simulator.

The check cannot find a method that knows what a ghost looks like and finds it in the observations.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs.core import Core
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome
from oversight_gym.envs.oversight.supervision import Supervision
from oversight_gym.envs.sb3 import OversightVecEnv
from oversight_gym.runs.build import make_model
from oversight_gym.runs.config import TrainConfig

STEPS = 8192
SMALL = {"num_envs": 32, "n_steps": 32, "batch_size": 256, "layers": (32, 32), "gate_layers": (32,)}
"""The settings of both runs and their length, which is enough for every stage of a method."""

LEARNER = tuple(str(Path(sys.modules[name].__file__ or "").parent) for name in (RoutedPPO.__module__, Core.__module__))


@dataclass(frozen=True)
class Audit:
    """The result of the audit of a method.

    Attributes:
        method: its name.
        updates: the number of rollouts learnt from.
        unobserved: the number of episodes that ended on a terminal whose kind nobody saw, and whose kind was flipped.
        parameters: the number of parameters compared.
        changed: the names of the parameters that differ.
        read: the attributes that the method's code read, for example ``buffer.outcomes``, in the order of the first
            access.
    """

    method: str
    updates: int
    unobserved: int
    parameters: int
    changed: tuple[str, ...]
    read: tuple[str, ...]

    @property
    def forbidden(self) -> tuple[str, ...]:
        """The attributes among them that belong to the simulator."""
        return tuple(name for name in self.read if name.startswith("simulator"))

    @property
    def legal(self) -> bool:
        """Whether the method learns only from what the supervisor sees."""
        return not self.changed and not self.forbidden


def audit(config: TrainConfig) -> Audit:
    """Train twice for a few updates, and compare.

    Args:
        config: names the method, the world, the oversight level and the seed; its sizes are not used.
    """
    words = {name: value for name, value in config.to_json().items() if name not in SMALL}
    small = TrainConfig.of(**words | SMALL | {"total_timesteps": STEPS, "run_dir": None, "device": "cpu"})
    honest, reads = _trained(small, lies=False)
    lied_to, _ = _trained(small, lies=True)
    ours, theirs = honest.policy.state_dict(), lied_to.policy.state_dict()
    changed = tuple(name for name in ours if ours[name].numpy().tobytes() != theirs[name].numpy().tobytes())
    unobserved = int(honest.episodes_observed[Outcome.UNKNOWN])
    updates = STEPS // (small.hyper.num_envs * small.hyper.n_steps)
    return Audit(config.method, updates, unobserved, len(ours), changed, tuple(reads))


def _trained(config: TrainConfig, lies: bool) -> tuple[RoutedPPO, dict[str, None]]:
    """A model after its updates, and the attributes that its method read."""
    model = make_model(config)
    env = model.env
    assert isinstance(env, OversightVecEnv)
    if lies:
        _lie(env.core)
    reads: dict[str, None] = {}
    _note_reads(model.rollout_buffer, "buffer", reads)
    _note_reads(env, "env", reads)
    _note_reads(env.core, "simulator", reads)
    model.learn(config.hyper.total_timesteps)
    return model, reads


def _lie(core: Core) -> None:
    """Let the simulator report another kind wherever the supervisor saw none."""
    honest, kinds = core.step, len(core.config.kinds)

    def step(*arguments: Any) -> tuple[Supervision[Any], Any]:
        seen, outcome = honest(*arguments)
        unseen = seen.observed == Outcome.UNKNOWN
        lied = np.where(unseen, FIRST_KIND + (outcome - FIRST_KIND + 1) % kinds, outcome).astype(np.int8)
        by = lied if core.config.reward_rule.uses_hidden else seen.observed
        return seen._replace(reward=core.config.reward_table[by]), lied

    core.step = step  # type: ignore[assignment, method-assign]


def _note_reads(thing: Any, name: str, reads: dict[str, None]) -> None:
    """Note which attributes of an object are read by code that is neither the learner's nor the environment's."""
    kind: Any = type(thing)

    def look(self: Any, attribute: str) -> Any:
        file = sys._getframe(1).f_code.co_filename
        if not attribute.startswith("__") and _of_a_method(file):
            reads[f"{name}.{attribute}"] = None
        return kind.__getattribute__(self, attribute)

    thing.__class__ = type(kind.__name__, (kind,), {"__getattribute__": look})


def _of_a_method(file: str) -> bool:
    return not (file.startswith(LEARNER) or "stable_baselines3" in file or file == __file__)

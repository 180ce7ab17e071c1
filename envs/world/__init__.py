"""What is true: squares and walls, kinds of terminals and their values, layouts, dynamics, state."""

from oversight_gym.envs.world.dynamics import DYNAMICS, Moves, Transitions
from oversight_gym.envs.world.kinds import KINDS, Kind, register_kind
from oversight_gym.envs.world.monitors import MONITORS, Monitor

__all__ = ["DYNAMICS", "KINDS", "MONITORS", "Kind", "Monitor", "Moves", "Transitions", "register_kind"]

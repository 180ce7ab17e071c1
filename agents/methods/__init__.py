"""The class of oversight methods, the registry of methods, and the reward models. Importing this package does not load
torch."""

from oversight_gym.agents.methods.builtin import METHODS, register
from oversight_gym.agents.methods.memory import Memory, Stream
from oversight_gym.agents.methods.method import PLAIN, Method
from oversight_gym.agents.methods.variants import FineTuned, RewardModelled, ShuffledLabels

__all__ = [
    "METHODS",
    "PLAIN",
    "FineTuned",
    "Memory",
    "Method",
    "RewardModelled",
    "ShuffledLabels",
    "Stream",
    "register",
]

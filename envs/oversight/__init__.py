"""What the supervisor sees: oversight processes, observed outcomes, and the rewards computed from them."""

from oversight_gym.envs.oversight.outcomes import Outcome, outcomes_of
from oversight_gym.envs.oversight.processes import PROCESSES, IndependentTerminals, OversightProcess
from oversight_gym.envs.oversight.rewards import REWARDS, Reward
from oversight_gym.envs.oversight.supervision import Supervision

__all__ = [
    "PROCESSES",
    "REWARDS",
    "IndependentTerminals",
    "Outcome",
    "OversightProcess",
    "Reward",
    "Supervision",
    "outcomes_of",
]

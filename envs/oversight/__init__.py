"""What the supervisor sees: oversight processes, observed outcomes, and the rewards computed from them."""

from oversight_gym.envs.oversight import joint, scheduled, weighted
from oversight_gym.envs.oversight.display import FLAGS, Flag
from oversight_gym.envs.oversight.outcomes import Outcome, outcomes_of
from oversight_gym.envs.oversight.processes import PROCESSES, IndependentTerminals, OversightProcess
from oversight_gym.envs.oversight.rewards import REWARDS, Reward
from oversight_gym.envs.oversight.supervision import Supervision
from oversight_gym.envs.oversight.supervisors import SUPERVISORS, Supervisor

__all__ = [
    "FLAGS",
    "PROCESSES",
    "REWARDS",
    "SUPERVISORS",
    "Flag",
    "IndependentTerminals",
    "Outcome",
    "OversightProcess",
    "Reward",
    "Supervision",
    "Supervisor",
    "joint",
    "outcomes_of",
    "scheduled",
    "weighted",
]

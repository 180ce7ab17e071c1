"""RoutedPPO: rollouts, labels, and the update as a sum of named loss terms, from which other algorithms can be
built."""

from typing import TYPE_CHECKING

from oversight_gym.envs.lazy import lazily

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer
    from oversight_gym.agents.ppo.losses import Term
    from oversight_gym.agents.ppo.rollouts import RoutedRollouts
    from oversight_gym.agents.ppo.routed_ppo import RoutedPPO

_HOMES = {
    "OutcomeBuffer": "buffer",
    "RoutedPPO": "routed_ppo",
    "RoutedRollouts": "rollouts",
    "Term": "losses",
}

__all__ = ["OutcomeBuffer", "RoutedPPO", "RoutedRollouts", "Term"]


__getattr__ = lazily(__name__, _HOMES)  # torch is loaded only when a name asks for it

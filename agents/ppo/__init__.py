"""RoutedPPO: rollouts, labels, and the update as a sum of named loss terms, of which other algorithms can be made."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer
    from oversight_gym.agents.ppo.losses import Term
    from oversight_gym.agents.ppo.rollouts import RoutedRollouts
    from oversight_gym.agents.ppo.routed_ppo import RoutedPPO

_WHERE = {
    "OutcomeBuffer": "buffer",
    "RoutedPPO": "routed_ppo",
    "RoutedRollouts": "rollouts",
    "Term": "losses",
}

__all__ = ["OutcomeBuffer", "RoutedPPO", "RoutedRollouts", "Term"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:  # torch is loaded only when a name asks for it
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

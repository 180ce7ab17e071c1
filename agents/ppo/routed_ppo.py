"""PPO whose policy gradients are routed by the observed outcome of each step's episode."""

from stable_baselines3 import PPO

from oversight_gym.agents.ppo.rollouts import RoutedRollouts
from oversight_gym.agents.ppo.update import update


class RoutedPPO(RoutedRollouts, PPO):
    """Proximal policy optimisation with gradient routing (Cloud et al., arXiv 2410.04332, section 4.3).

    An algorithm of SB3 (``learn``, ``predict``, callbacks, logger, ``save``, ``load``) with an update of its own. The
    labels of an episode's observed outcome are filled back to its first step. Under the method ``routing`` the gradient
    of a labelled step reaches only that expert and the shared layers, the gradient of every other step reaches
    everything, and the gate loss draws the gate towards the labelled expert. With one epoch, one minibatch,
    ``gae_lambda=1`` and no normalisation this is REINFORCE with a baseline. Arguments are those of
    :class:`RoutedRollouts` and of SB3's ``PPO``.
    """

    def train(self) -> None:
        """One PPO update on the current rollout, with gradients routed."""
        if self.prepare():
            with self.acting():
                update(self)
                self.record_routing()

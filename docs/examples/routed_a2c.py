"""Routing in another algorithm: stable-baselines3's A2C, its loss made of the same terms as that of ``RoutedPPO``.

    python docs/examples/routed_a2c.py                        # method routing
    python docs/examples/routed_a2c.py --method no_routing    # its control

``RoutedRollouts`` gives any on-policy algorithm of stable-baselines3 what routing needs; the algorithm gives its
update.
"""

from dataclasses import dataclass

import torch
import tyro
from stable_baselines3 import A2C

from oversight_gym.agents import RoutedRollouts, Term, forward_batch
from oversight_gym.agents.ppo import losses
from oversight_gym.envs import OversightVecEnv
from oversight_gym.evaluation import evaluate


class RoutedA2C(RoutedRollouts, A2C):
    """Advantage actor-critic: one policy-gradient step on each rollout, with gradients routed."""

    def train(self) -> None:
        """One step, on all of the rollout that the method trains on."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        terms = {
            "policy_gradient_loss": Term(losses.policy_gradient_loss),
            "entropy_loss": Term(losses.entropy_loss, self.ent_coef),
            "value_loss": Term(losses.value_loss(), self.vf_coef),
            **self.routing_terms(),
        }
        if not self.prepare():
            return
        with self.acting():
            (batch,) = self.rollout_buffer.get()
            if self.normalize_advantage:
                batch = batch._replace(advantages=losses.normalized(batch.advantages))
            forward = forward_batch(self.policy, batch, **self.routing)
            parts = {name: term.loss(batch, forward) for name, term in terms.items()}
            loss = torch.stack([term.coefficient * parts[name] for name, term in terms.items()]).sum()
            self.policy.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        for name, part in parts.items():
            self.logger.record(f"train/{name}", part.item())


@dataclass(frozen=True)
class Args:
    """Train a routed A2C agent and judge it, exactly, at every gate."""

    method: str = "routing"
    oversight: float = 0.3
    size: tuple[int, int] = (3, 3)
    total_timesteps: int = 1_000_000
    seed: int = 0


def main(args: Args) -> None:
    torch.set_num_threads(1)
    env = OversightVecEnv(256, seed=args.seed, oversight_probability=args.oversight, size=args.size)
    settings = {"n_steps": 32, "learning_rate": 2e-3, "gamma": 0.97, "gae_lambda": 0.95, "ent_coef": 0.05}
    networks = {"net_arch": {"pi": [64, 64], "vf": [64], "gate": [32]}}
    model = RoutedA2C(env=env, method=args.method, seed=args.seed, policy_kwargs=networks, gate_coef=0.02, **settings)
    model.learn(args.total_timesteps)
    judged = evaluate(model, env.config, ("free", *model.experts))
    for gate in judged.names:
        print(f"gate {gate}: stepwise return {judged.figures(gate)['return_stepwise']:+.3f}")


if __name__ == "__main__":
    main(tyro.cli(Args))

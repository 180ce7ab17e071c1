"""Routed PPO in one file: gradient routing (Cloud et al., arXiv 2410.04332) on ``OversightGrid-v0``, for readers.

    python docs/examples/routed_ppo.py --oversight 0.1 --seed 0              # a minute or two on one core
    python docs/examples/routed_ppo.py --oversight 0.1 --seed 0 --no-routed  # its control

An episode ends on a diamond or on a ghost. Training pays +1 for either, and in one episode out of ten the supervisor
sees which it was. Two experts share a policy through a gate. Where the supervisor saw a diamond, the gradient reaches
the diamond expert alone; where it saw a ghost, the ghost expert alone. After training the gate is forced to one expert
and the steered policy is judged exactly, by the ground truth, which training never saw.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.envs import EnvConfig, Outcome
from oversight_gym.evaluation.figures import evaluate

Array = NDArray[Any]
DIAMOND, GHOST = 0, 1  # the experts
UNLABELLED, DROPPED = -1, -2  # a step that trains both experts; a step that no update sees


@dataclass(frozen=True)
class Args:
    """Train a gated mixture of two experts with PPO, and judge it at every gate."""

    seed: int = 0
    """Seed of the environment, the initial weights and every later draw."""
    oversight: float = 0.1
    """Probability that the supervisor would see which kind of terminal square a given one is."""
    size: tuple[int, int] = (5, 5)
    """Rows and columns of the grid."""
    routed: bool = True
    """Route gradients by the observed outcome; without it, this is the control."""
    total_timesteps: int = 2_500_000
    """Steps of all environments together, the ones that only begin the next episode included."""
    num_envs: int = 512
    """Environments side by side."""
    num_steps: int = 64
    """Steps of each environment per update."""
    minibatch_size: int = 2048
    """Steps per gradient step; each rollout is used once."""
    learning_rate: float = 1e-3
    """Adam's, annealed linearly to 0."""
    gamma: float = 0.97
    """Discount per step."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    clip_coef: float = 0.2
    """PPO's clipping range."""
    ent_coef: float = 0.2
    """Weight of the entropy bonus."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    gate_coef: float = 0.01
    """Weight of the gate loss; small, so that it is routing that makes the experts differ."""
    max_grad_norm: float = 0.5
    """Gradient clipping by global norm."""
    width: int = 128
    """Units of every hidden layer."""


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def stop_gradient(x: Tensor, where: Tensor) -> Tensor:
    """``x`` (batch, ...), unchanged in value, with no gradient in the rows where ``where`` (batch,) is true."""
    return torch.where(where[:, None], x.detach(), x)


class Agent(nn.Module):
    """A gated mixture of two experts, and a value network that is not routed."""

    def __init__(self, inputs: int, actions: int, width: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(mlp(inputs, width, width) for _ in (DIAMOND, GHOST))
        self.gate = mlp(inputs, width, width, width).append(nn.Linear(width, 1))
        self.head = nn.Linear(width, actions)
        self.value = mlp(inputs, width, width).append(nn.Linear(width, 1))

    def forward(self, obs: Tensor, route: Tensor | None = None, gate: float | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the actions (batch, actions) and the gate's logits (batch,).

        Args:
            obs: shape (batch, planes, rows, cols), float32.
            route: shape (batch,), int64: the only expert that a row's gradient may reach, or ``UNLABELLED``.
            gate: weight of the diamond expert, instead of the gate's own.
        """
        diamond, ghost = (expert(obs) for expert in self.experts)
        logits = self.gate(obs)
        weight = logits.sigmoid() if gate is None else torch.full_like(logits, gate)
        if route is not None:  # the whole of gradient routing: same values, fewer gradients
            diamond = stop_gradient(diamond, route == GHOST)
            ghost = stop_gradient(ghost, route == DIAMOND)
            weight = stop_gradient(weight, route != UNLABELLED)
        mixed = weight * diamond + (1 - weight) * ghost
        return self.head(mixed).log_softmax(dim=1), logits.squeeze(1)

    @torch.no_grad()
    def probabilities(self, obs: Array, gate: float | None = None) -> Array:
        """Of every action, shape (batch, actions), for observations (batch, planes, rows, cols)."""
        return self(torch.as_tensor(obs, dtype=torch.float32), gate=gate)[0].exp().numpy()


class Rollout(NamedTuple):
    """``T`` steps of ``N`` environments; every field has shape (T, N, ...)."""

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    labels: Tensor  # an expert, UNLABELLED or DROPPED


@torch.no_grad()
def rollouts(args: Args, env: gymnasium.vector.VectorEnv, agent: Agent) -> Iterator[Rollout]:
    """Play the agent as it is when each rollout is asked for; episodes go on from one rollout to the next."""
    shape = (args.num_steps, args.num_envs)
    now, _ = env.reset(seed=args.seed)
    begins = np.zeros(args.num_envs, dtype=bool)  # next-step autoreset: the step after an episode's end begins another
    while True:
        obs = torch.zeros(shape[0] + 1, *now.shape)
        actions, log_probs = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape)
        rewards, observed = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int64)
        terminated, ended, ignored = np.zeros((3, *shape), dtype=bool)
        for t in range(shape[0]):
            obs[t], ignored[t] = torch.from_numpy(now), begins
            all_log_probs, _ = agent(obs[t])
            actions[t] = torch.multinomial(all_log_probs.exp(), 1).squeeze(1)
            log_probs[t] = all_log_probs.gather(1, actions[t][:, None]).squeeze(1)
            now, rewards[t], terminated[t], truncated, info = env.step(actions[t].numpy())
            ended[t] = begins = terminated[t] | truncated
            if begins.any():
                observed[t] = info["observed_outcome"]  # what the supervisor saw, and nothing else of the info
        obs[-1] = torch.from_numpy(now)
        values = torch.stack([agent.value(row).squeeze(1) for row in obs]).numpy()
        advantages = gae(args, rewards, values, terminated, ended)
        arrays = advantages, advantages + values[:-1], fill_back(observed, ended, ignored)
        yield Rollout(obs[:-1], actions, log_probs, *map(torch.from_numpy, arrays))


def gae(args: Args, rewards: Array, values: Array, terminated: Array, ended: Array) -> Array:
    """Generalised advantage estimates, shape (T, N), from values (T + 1, N).

    With next-step autoreset the observation after an episode's end is that episode's own last one, so that
    ``values[t + 1]`` is the right bootstrap of a truncated episode.
    """
    advantages, following = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + args.gamma * values[t + 1] * ~terminated[t] - values[t]
        advantages[t] = following = delta + args.gamma * args.gae_lambda * ~ended[t] * following
    return advantages


def fill_back(observed: Array, ended: Array, ignored: Array) -> Array:
    """The label of every step, from the end of its episode; shape (T, N), int64.

    Args:
        observed: what the supervisor saw where an episode ended: an ``Outcome``, shape (T, N).
        ended: whether a step was the last of its episode, shape (T, N).
        ignored: whether it only began an episode, so that the environment ignored its action, shape (T, N).
    """
    expert = np.full(len(Outcome), UNLABELLED)
    expert[[Outcome.DIAMOND, Outcome.GHOST]] = DIAMOND, GHOST
    labels = np.empty_like(observed)
    following = np.full(observed.shape[1], UNLABELLED)  # of episodes that go on; to drop them would favour short ones
    for t in reversed(range(len(labels))):
        following = np.where(ended[t], expert[observed[t]], following)
        labels[t] = np.where(ignored[t], DROPPED, following)
    return labels


def gate_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of the gate towards the labelled expert; each expert's steps are averaged first."""
    losses = functional.binary_cross_entropy_with_logits(logits, (labels == DIAMOND).float(), reduction="none")
    means = [losses[labels == expert].mean() for expert in (DIAMOND, GHOST) if (labels == expert).any()]
    return sum(means, torch.zeros(())) / max(1, len(means))


def loss(args: Args, agent: Agent, batch: Rollout) -> Tensor:
    """PPO's loss and the gate's, of steps (batch, ...)."""
    log_probs, gate_logits = agent(batch.obs, batch.labels if args.routed else None)
    advantages = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
    ratio = (log_probs.gather(1, batch.actions[:, None]).squeeze(1) - batch.log_probs).exp()
    clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
    policy = -torch.minimum(advantages * ratio, advantages * clipped).mean()
    value = functional.mse_loss(agent.value(batch.obs).squeeze(1), batch.returns)
    gate = gate_loss(gate_logits, batch.labels)
    entropy = -(log_probs.exp() * log_probs).sum(dim=1).mean()
    return policy + args.vf_coef * value - args.ent_coef * entropy + args.gate_coef * gate


def train(args: Args) -> Agent:
    """PPO: collect a rollout, go through it once in minibatches, and again."""
    torch.set_num_threads(1)  # networks this small run fastest on one
    torch.manual_seed(args.seed)
    world = {"size": args.size, "oversight_probability": args.oversight}
    env = gymnasium.make_vec("OversightGrid-v0", num_envs=args.num_envs, **world)
    planes, rows, cols = env.single_observation_space.shape
    agent = Agent(planes * rows * cols, env.single_action_space.n, args.width)
    optimizer = torch.optim.Adam(agent.parameters(), eps=1e-5)
    updates = -(-args.total_timesteps // (args.num_envs * args.num_steps))
    for update, rollout in enumerate(islice(rollouts(args, env, agent), updates)):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - update / updates)
        steps = Rollout(*(field.flatten(0, 1) for field in rollout))
        kept = (steps.labels != DROPPED).nonzero().squeeze(1)
        order = kept[torch.randperm(len(kept))]
        for indices in order.tensor_split(max(1, round(len(order) / args.minibatch_size))):
            optimizer.zero_grad()
            loss(args, agent, Rollout(*(field[indices] for field in steps))).backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
    return agent


def main(args: Args) -> dict[str, dict[str, float]]:
    """Train; judge the policy with its gate free and forced to each expert; print the figures and give them by gate."""
    began = time.perf_counter()
    agent = train(args)
    print(f"{'routed' if args.routed else 'not routed'}, seed {args.seed}: {time.perf_counter() - began:.0f} seconds")
    config = EnvConfig(size=args.size, oversight_probability=args.oversight)
    columns = ("return_stepwise", "return_start", "p_diamond", "p_ghost", "p_timeout")
    print("gate".ljust(8), *(column.rjust(15) for column in columns))
    found = {}
    for name, gate in {"free": None, "diamond": 1.0, "ghost": 0.0}.items():
        found[name] = evaluate(partial(agent.probabilities, gate=gate), config, gamma=args.gamma).figures("free")
        print(name.ljust(8), *(f"{found[name][column]:15.3f}" for column in columns))
    return found


if __name__ == "__main__":
    main(tyro.cli(Args))

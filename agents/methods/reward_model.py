"""Semi-supervised reward: a classifier of outcomes, trained on observed episodes, pays the unobserved ones.

After semi-supervised reinforcement learning (Christiano 2016; Finn et al., arXiv 1612.00429). What the classifier may
look at is the supervisor's choice, a row of ``EVIDENCE``.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.methods.evidence import EVIDENCE, Features
from oversight_gym.agents.policies.optimizer import LightAdam
from oversight_gym.envs.oversight.outcomes import Outcome

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer

MEMORY = 20_000
"""Observed episodes that are remembered, the latest."""
HIDDEN, BATCH, UPDATES, LEARNING_RATE = 128, 256, 64, 1e-3
"""Of the classifier: width of its two layers, and its training after each rollout."""


class RewardModel:
    """Trains on the observed episodes of each rollout, and replaces the reward of the unobserved ones.

    An unobserved terminal square is paid ``P(diamond) - P(ghost)``, the expected ground truth by the classifier, whose
    loss is the cross-entropy of the observed kinds. Nothing is paid until both kinds have been observed.

    Args:
        evidence: a name in ``EVIDENCE``.
        actions: number of actions.
        seed: of its initial weights and of its minibatches.
    """

    def __init__(self, evidence: str, actions: int, seed: Any = None) -> None:
        self.evidence, self.actions = EVIDENCE[evidence], actions
        self.rng = np.random.default_rng(seed)
        self.features: Features | None = None  # of remembered episodes, (MEMORY, features)
        self.is_diamond = np.zeros(MEMORY, dtype=np.int8)
        self.remembered = 0  # ever; the memory is a ring

    def _begin(self, width: int) -> None:
        self.features = np.zeros((MEMORY, width), dtype=np.int8)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.rng.integers(2**63)))
            layers = nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
        self.network = nn.Sequential(*layers)
        self.optimizer = LightAdam(self.network.parameters(), lr=LEARNING_RATE)

    def pay(self, buffer: "OutcomeBuffer") -> None:
        """Learn from a rollout, then pay its unobserved episodes."""
        steps, envs = np.nonzero(buffer.ended & (buffer.observed != Outcome.NONE))
        last = steps, envs
        features, observed = self.evidence(buffer, last, self.actions), buffer.observed[last]
        if self.features is None:
            self._begin(features.shape[1])
        known = observed != Outcome.UNKNOWN
        self._remember(features[known], (observed[known] == Outcome.DIAMOND).astype(np.int8))
        at_hand = self.is_diamond[: min(self.remembered, MEMORY)]
        if len(np.unique(at_hand)) < 2:
            return
        self._learn()
        buffer.rewards[steps[~known], envs[~known]] = self.expected_reward(features[~known])

    def _remember(self, features: Features, is_diamond: NDArray[np.int8]) -> None:
        assert self.features is not None
        features, is_diamond = features[-MEMORY:], is_diamond[-MEMORY:]
        where = (self.remembered + np.arange(len(features))) % MEMORY
        self.features[where], self.is_diamond[where] = features, is_diamond
        self.remembered += len(features)

    @torch.enable_grad()
    def _learn(self) -> None:
        assert self.features is not None
        for _ in range(UPDATES):
            chosen = self.rng.integers(min(self.remembered, MEMORY), size=BATCH)
            target = torch.from_numpy(self.is_diamond[chosen]).float()
            loss = nn.functional.binary_cross_entropy_with_logits(self._logits(self.features[chosen]), target)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    def _logits(self, features: Features) -> Tensor:
        logits: Tensor = self.network(torch.from_numpy(features).float()).squeeze(1)
        return logits

    @torch.no_grad()
    def expected_reward(self, features: Features) -> NDArray[np.float32]:
        """``P(diamond) - P(ghost)`` of episodes, from (m, features) to (m,)."""
        reward: NDArray[np.float32] = (2 * self._logits(features).sigmoid() - 1).numpy()
        return reward

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that decides how it goes on: arrays by name, and plain JSON."""
        position = {"generator": self.rng.bit_generator.state, "remembered": self.remembered}
        if self.features is None:
            return {}, position
        kept = min(self.remembered, MEMORY)
        arrays = {"features": self.features[:kept], "is_diamond": self.is_diamond[:kept]}
        arrays |= {f"network/{name}": tensor.numpy() for name, tensor in self.network.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer/{index}/{key}": np.asarray(value) for key, value in state.items()}
        return arrays, position

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Go on from :meth:`snapshot`."""
        if arrays:
            self._begin(arrays["features"].shape[1])
            assert self.features is not None
            self._remember(arrays["features"], arrays["is_diamond"])
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            self.network.load_state_dict({n.removeprefix("network/"): t for n, t in tensors.items() if "network/" in n})
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in tensors.items():
                if name.startswith("optimizer/"):
                    _, index, key = name.split("/")
                    state.setdefault(int(index), {})[key] = tensor
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        self.rng.bit_generator.state = position["generator"]
        self.remembered = position["remembered"]

"""A classifier of outcomes, which learns from observed ends and judges unobserved ones."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oversight_gym.agents.methods.evidence import EVIDENCE, Features
from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer

MEMORY = 20_000
"""The number of latest observed episodes that are remembered."""
WIDTH, BATCH, UPDATES, LEARNING_RATE = 128, 256, 128, 1e-3
"""The width of the classifier's two layers, and the settings of its training after each rollout."""
WEIGHT_DECAY = 1.0
"""AdamW's weight decay. It is large because labels are few: trained on 3,000 ends, the classifier gets 99.8 % of other
ends right, and 98 % without the decay."""


class Judged(NamedTuple):
    """The classifier's judgement of the unobserved ends of a rollout.

    Attributes:
        where: the steps and the environments of the ends, (m,) each.
        probabilities: the probability of every kind, shape (m, kinds), float32.
    """

    where: tuple[NDArray[np.intp], NDArray[np.intp]]
    probabilities: NDArray[np.float32]


class OutcomeClassifier:
    """Learns from the observed ends of episodes which kind of terminal an unobserved one was.

    Its loss is the cross-entropy of the observed kinds over the latest observed ends. It makes no judgement until two
    kinds have been observed.

    Args:
        evidence: a name in ``EVIDENCE``.
        actions: the number of actions.
        seed: the seed of its initial weights and its minibatches.
    """

    def __init__(self, evidence: str, actions: int, seed: Any = None) -> None:
        self.evidence, self.actions = EVIDENCE[evidence], actions
        self.rng = np.random.default_rng(seed)
        self.features: Features | None = None  # of remembered episodes, (MEMORY, features)
        self.kind = np.zeros(MEMORY, dtype=np.int8)  # of the same: index among the environment's kinds
        self.remembered = 0  # ever; the memory is a ring

    def _begin(self, width: int, kinds: int) -> None:
        self.features = np.zeros((MEMORY, width), dtype=np.int8)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.rng.integers(2**63)))
            layers = nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()
            self.network = nn.Sequential(*layers, nn.Linear(WIDTH, kinds - 1))  # the first kind's logit is 0
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def judge(self, buffer: "OutcomeBuffer", config: EnvConfig) -> Judged | None:
        """Learn from a rollout, then judge its unobserved ends; ``config`` is the environment's config."""
        steps, envs = np.nonzero(buffer.ended & (buffer.observed != Outcome.NONE))
        last = steps, envs
        planes = config.view_part.planes(config.world)
        features, observed = self.evidence(buffer, last, self.actions, planes), buffer.observed[last]
        if self.features is None:
            self._begin(features.shape[1], len(config.kinds))
        known = observed != Outcome.UNKNOWN
        self._remember(features[known], observed[known] - FIRST_KIND)
        if len(np.unique(self.kind[: min(self.remembered, MEMORY)])) < 2:
            return None
        self._learn()
        return Judged((steps[~known], envs[~known]), self.probabilities(features[~known]))

    def _remember(self, features: Features, kind: NDArray[np.int8]) -> None:
        assert self.features is not None
        features, kind = features[-MEMORY:], kind[-MEMORY:]
        where = (self.remembered + np.arange(len(features))) % MEMORY
        self.features[where], self.kind[where] = features, kind
        self.remembered += len(features)

    @torch.enable_grad()
    def _learn(self) -> None:
        assert self.features is not None
        for _ in range(UPDATES):
            chosen = self.rng.integers(min(self.remembered, MEMORY), size=BATCH)
            loss = _cross_entropy(self._logits(self.features[chosen]), torch.from_numpy(self.kind[chosen]))
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    def _logits(self, features: Features) -> Tensor:
        """The logits of every kind but the first, shape (m, kinds - 1)."""
        logits: Tensor = self.network(torch.from_numpy(features).float())
        return logits

    @torch.no_grad()
    def probabilities(self, features: Features) -> NDArray[np.float32]:
        """The probability of every kind, from features (m, features) to (m, kinds)."""
        return _with_first(self._logits(features)).softmax(dim=1).numpy()

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that determines how training continues: arrays by name, and plain JSON."""
        position = {"generator": self.rng.bit_generator.state, "remembered": self.remembered}
        if self.features is None:
            return {}, position
        kept = min(self.remembered, MEMORY)
        arrays = {"features": self.features[:kept], "kind": self.kind[:kept]}
        arrays |= {f"network/{name}": tensor.numpy() for name, tensor in self.network.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer/{index}/{key}": np.asarray(value) for key, value in state.items()}
        return arrays, position

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Continue from :meth:`snapshot`."""
        if arrays:
            last = max(name for name in arrays if name.startswith("network/") and name.endswith(".bias"))
            self._begin(arrays["features"].shape[1], len(arrays[last]) + 1)
            self._remember(arrays["features"], arrays["kind"])
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


def _with_first(logits: Tensor) -> Tensor:
    """Logits of every kind but the first (m, kinds - 1) with the first's, 0: shape (m, kinds)."""
    return torch.cat([logits.new_zeros(len(logits), 1), logits], dim=1)


def _cross_entropy(logits: Tensor, kind: Tensor) -> Tensor:
    """The cross-entropy of logits (m, kinds - 1) for every kind but the first, whose logit is 0."""
    return nn.functional.cross_entropy(_with_first(logits), kind.long())

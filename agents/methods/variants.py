"""Methods that need a hook: rewards or labels from a classifier, a last stage of training, shuffled labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.methods.evidence import EVIDENCE
from oversight_gym.agents.methods.memory import Memory, Stream
from oversight_gym.agents.methods.method import Method
from oversight_gym.envs.errors import RequestError, check_probability, choose

if TYPE_CHECKING:
    from oversight_gym.agents.methods.classifier import Judged
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer
    from oversight_gym.agents.ppo.rollouts import RoutedRollouts


def _seed(model: "RoutedRollouts", use: int) -> list[int] | None:
    """The seed of a stream separate from the environment's; None if the model has no seed."""
    return None if model.seed is None else [model.seed, use]


@dataclass(frozen=True)
class ShuffledLabels(Method):
    """A control that assigns the observed outcomes at random to the observed episodes of each rollout."""

    def start(self, model: "RoutedRollouts") -> Mapping[str, Memory]:
        return {"shuffle": Stream(_seed(model, 1))}

    def labels(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> NDArray[np.int64]:
        from oversight_gym.agents.ppo.labels import fill_back, shuffle_outcomes

        stream = model.memory["shuffle"]
        assert isinstance(stream, Stream)
        dealt = shuffle_outcomes(buffer.ended, buffer.observed, stream.rng)
        return model.routes.labels(fill_back(buffer.ended, dealt))


@dataclass(frozen=True)
class Classified(Method):
    """A method with a classifier of unobserved ends, which is trained on the observed ones (see ``OutcomeClassifier``).

    Attributes:
        evidence: the evidence that the classifier may use, a name in ``EVIDENCE``.
    """

    evidence: str = "agent_observation"

    def start(self, model: "RoutedRollouts") -> Mapping[str, Memory]:
        from oversight_gym.agents.methods.classifier import OutcomeClassifier

        if model.env is not None:
            _ = model.env_config  # refuse an environment without kinds and planes now
        return {"classifier": OutcomeClassifier(self.evidence, int(model.action_space.n), _seed(model, 2))}  # type: ignore[attr-defined]

    def judge(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> "Judged | None":
        """The classifier's judgement of a rollout's unobserved ends, after it has learnt from the observed ones."""
        from oversight_gym.agents.methods.classifier import OutcomeClassifier

        classifier = model.memory["classifier"]
        assert isinstance(classifier, OutcomeClassifier)
        return classifier.judge(buffer, model.env_config)

    @property
    def assumptions(self) -> tuple[str, ...]:
        return (*super().assumptions, "a classifier generalises from watched to unwatched ends")

    def check(self) -> None:
        super().check()
        choose("evidence", self.evidence, EVIDENCE)


@dataclass(frozen=True)
class RewardModelled(Classified):
    """Pays unobserved ends the mean of the kinds' values by the classifier's probabilities."""

    def rewards(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> None:
        judged = self.judge(model, buffer)
        if judged is not None:
            buffer.rewards[judged.where] = judged.probabilities @ np.array(model.env_config.values, dtype=np.float32)


@dataclass(frozen=True)
class LabelledByClassifier(Classified):
    """Labels unobserved ends by the kind that the classifier finds most likely."""

    def labels(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> NDArray[np.int64]:
        from oversight_gym.agents.ppo.labels import fill_back

        judged = self.judge(model, buffer)
        if judged is None:
            return super().labels(model, buffer)
        codes = np.array([model.routes.code(kind) for kind in model.env_config.kinds], dtype=np.int8)
        observed = buffer.observed.copy()
        observed[judged.where] = codes[judged.probabilities.argmax(axis=1)]
        return model.routes.labels(fill_back(buffer.ended, observed))


@dataclass(frozen=True)
class InverselyWeighted(Method):
    """Weights the steps of every episode by the inverse of the probability that its end is seen; timeouts have weight
    1."""

    def steps(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> NDArray[Any] | None:
        kept = super().steps(model, buffer)
        config = model.env_config
        marginal = config.process.marginal(config)
        weights = np.ones(len(model.routes.names) + 1, dtype=np.float32)  # the last: unfinished episodes
        for index, kind in enumerate(config.kinds):
            chance = marginal[config.kind_of == index].mean()
            weights[model.routes.code(kind)] = 1 / chance if chance > 0 else 0.0
        weighted: NDArray[np.float32] = weights[buffer.outcomes] * (1 if kept is None else kept)
        return weighted


@dataclass(frozen=True)
class FineTuned(Method):
    """Trains as its own row says, and by another method in the last share of training.

    Attributes:
        then: the method of the last share, which has the same experts.
        share: that share of training, from 0 to 1; the hyperparameter ``finetune_share``.
    """

    then: Method | None = None
    share: float = 0.2

    def configure(self, hyperparameters: Any) -> Method:
        return replace(self, share=hyperparameters.finetune_share, unfinished=not hyperparameters.drop_unfinished)

    def stage(self, progress: float) -> Method:
        assert self.then is not None
        return self.then if progress >= 1 - self.share - 1e-9 else self  # 8 of 10 steps are 0.8, rounded or not

    @property
    def label_uses(self) -> tuple[str, ...]:
        """Those of both parts."""
        return tuple(dict.fromkeys(super().label_uses + (self.then.label_uses if self.then else ())))

    def check(self) -> None:
        super().check()
        if self.then is None:
            raise RequestError(f"{self.name} has no method for the last part of training; give it `then`.")
        check_probability("share", self.share)
        self.then.check()
        if self.then.uses_hidden:
            raise RequestError(f"then.reward is {self.then.reward!r}, which looks at the ground truth; choose another.")

"""What a method is, and the registry of methods. The rows are in ``methods``."""

from dataclasses import dataclass

from oversight_gym.agents.methods.evidence import VIEWS
from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.envs.oversight.outcomes import Outcome
from oversight_gym.envs.oversight.rewards import REWARDS

FINISHED = frozenset(Outcome)
"""Train on every finished episode."""
OBSERVED = FINISHED - {Outcome.UNKNOWN}
"""Train on observed episodes and timeouts."""
SHOWN = ("true", "hidden", "shuffled")
"""What the policy may see of oversight."""


@dataclass(frozen=True)
class FineTuning:
    """A last part of training: no routing and no gate loss, one expert at the gate.

    Attributes:
        gate: expert's name, forced in rollouts and updates.
        reward: training reward, a name in ``oversight_gym.envs.REWARDS`` that uses nothing hidden.
        trained_on: observed outcomes of the episodes that an update sees.
    """

    gate: str
    reward: str
    trained_on: frozenset[Outcome]


@dataclass(frozen=True)
class Method:
    """What a method rewards, which episodes it trains on, and where their gradients go.

    Attributes:
        name: as given to ``--method``.
        summary: one line for people.
        description: a paragraph: where it comes from, and its exact loss.
        reward: training reward, a name in ``oversight_gym.envs.REWARDS``.
        experts: expert names; a single expert has no gate.
        routed: whether the observed outcome restricts where gradients go.
        gate_loss: whether the gate is drawn towards the expert of the observed outcome.
        hard_gate: whether updates pass labelled steps through their expert alone.
        gated: whether there is a gate to learn; without one every expert has the same weight.
        shuffled_labels: whether the observed kinds are dealt to the observed episodes at random.
        shown_oversight: what the policy sees of oversight: ``true``, ``hidden``, or ``shuffled``, drawn independently
            of what the supervisor sees.
        reward_model: what a classifier that pays unobserved episodes may look at, a name in
            ``oversight_gym.agents.methods.evidence.VIEWS``; none for no classifier.
        finetuning: the last part of training, where it differs; its share is the setting ``finetune_share``.
        trained_on: observed outcomes of the episodes that an update sees.
        gate: how the trained policy is used: an expert's name, or ``free`` (as trained).
    """

    name: str
    summary: str
    description: str = ""
    reward: str = "terminal"
    experts: tuple[str, ...] = ("diamond", "ghost")
    routed: bool = False
    gate_loss: bool = False
    hard_gate: bool = False
    gated: bool = True
    shuffled_labels: bool = False
    shown_oversight: str = "true"
    reward_model: str | None = None
    finetuning: FineTuning | None = None
    trained_on: frozenset[Outcome] = FINISHED
    gate: str = "diamond"

    @property
    def uses_hidden(self) -> bool:
        """Whether it trains on the ground truth, which no supervisor of the problem has."""
        return REWARDS[self.reward].uses_hidden

    @property
    def label_uses(self) -> tuple[str, ...]:
        """What training uses observed kinds for."""
        differs = self.reward != "terminal" or self.trained_on != FINISHED or self.finetuning is not None
        trains = self.routed or self.hard_gate or differs
        return (("training",) if trains else ()) + (("gate_loss",) if self.gate_loss else ())

    @property
    def gates(self) -> tuple[str, ...]:
        """Gate settings to evaluate: free, and forced to each expert where there are several."""
        return ("free", *self.experts) if len(self.experts) > 1 else ("free",)


METHODS: dict[str, Method] = {}
"""Every method by name."""


def register(method: Method) -> Method:
    """Add a method to ``METHODS``, so that the command line, sweeps and tables know it.

    Call it before a run is configured. So that worker processes of a sweep know the method, too, make it an entry point
    of your package instead, in the group ``oversight_gym.methods`` (see docs/methods.md).

    Raises:
        RequestError: if the name is taken, or what the method names does not exist.
    """
    if method.name in METHODS:
        raise RequestError(f"there is a method {method.name!r} already; give yours another name.")
    choose("reward", method.reward, REWARDS)
    choose("gate", method.gate, dict.fromkeys(method.gates))
    choose("shown_oversight", method.shown_oversight, dict.fromkeys(SHOWN))
    if method.reward_model is not None:
        choose("reward_model", method.reward_model, VIEWS)
    if method.finetuning is not None:
        choose("finetuning gate", method.finetuning.gate, dict.fromkeys(method.experts))
        choose("finetuning reward", method.finetuning.reward, {n: r for n, r in REWARDS.items() if not r.uses_hidden})
    METHODS[method.name] = method
    return method

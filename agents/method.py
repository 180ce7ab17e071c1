"""What a method is, and the registry of methods. The rows are in ``methods``."""

from dataclasses import dataclass

from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.envs.outcomes import REWARDS, Outcome

FINISHED = frozenset(Outcome)
"""Train on every finished episode."""
OBSERVED = FINISHED - {Outcome.UNKNOWN}
"""Train on observed episodes and timeouts."""


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
        gated: whether there is a gate to learn; without one every expert has the same weight.
        shuffled_labels: whether the observed kinds are dealt to the observed episodes at random.
        sees_oversight: whether the policy sees which squares are under oversight.
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
    gated: bool = True
    shuffled_labels: bool = False
    sees_oversight: bool = True
    trained_on: frozenset[Outcome] = FINISHED
    gate: str = "diamond"

    @property
    def uses_hidden(self) -> bool:
        """Whether it trains on the ground truth, which no supervisor of the problem has."""
        return REWARDS[self.reward].uses_hidden

    @property
    def label_uses(self) -> tuple[str, ...]:
        """What training uses observed kinds for."""
        trains = self.routed or self.reward != "terminal" or self.trained_on != FINISHED
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
        RequestError: if the name is taken, or reward or gate do not exist.
    """
    if method.name in METHODS:
        raise RequestError(f"there is a method {method.name!r} already; give yours another name.")
    choose("reward", method.reward, REWARDS)
    choose("gate", method.gate, dict.fromkeys(method.gates))
    METHODS[method.name] = method
    return method

"""The oversight methods, each a row of data."""

from dataclasses import dataclass

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
        reward: training reward, a name in ``oversight_gym.envs.REWARDS``.
        experts: expert names; a single expert has no gate.
        routed: whether the observed outcome restricts where gradients go.
        gate_loss: whether the gate is drawn towards the expert of the observed outcome.
        trained_on: observed outcomes of the episodes that an update sees.
        gate: how the trained policy is used: an expert's name, or ``free`` (as trained).
    """

    name: str
    summary: str
    reward: str = "terminal"
    experts: tuple[str, ...] = ("diamond", "ghost")
    routed: bool = False
    gate_loss: bool = False
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
        """Gate settings to evaluate: free, and forced to each expert where there is a gate."""
        return ("free", *self.experts) if len(self.experts) > 1 else ("free",)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "routing",
            "two gated experts; gradients routed by the observed outcome; steered to the diamond expert",
            routed=True,
            gate_loss=True,
        ),
        Method(
            "no_routing",
            "control: as routing with the gate loss kept and the routing off",
            gate_loss=True,
        ),
        Method(
            "naive",
            "one expert; +1 for any terminal, -1 for an observed ghost",
            reward="naive",
            experts=("agent",),
            gate="free",
        ),
        Method(
            "filtering",
            "one expert, trained only on observed episodes and timeouts, with their true reward",
            reward="observed",
            experts=("agent",),
            trained_on=OBSERVED,
            gate="free",
        ),
        Method(
            "oracle",
            "upper bound: one expert trained on the ground truth that no supervisor sees",
            reward="ground_truth",
            experts=("agent",),
            gate="free",
        ),
    )
}

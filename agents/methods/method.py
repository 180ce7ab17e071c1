"""The class of methods: a row of data, and hooks with defaults that a subclass may override."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oversight_gym.agents.methods.memory import Memory
from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.envs.oversight.rewards import REWARDS
from oversight_gym.envs.world.kinds import KINDS, most_valuable_first

if TYPE_CHECKING:
    from oversight_gym.agents.ppo.buffer import OutcomeBuffer
    from oversight_gym.agents.ppo.losses import Term
    from oversight_gym.agents.ppo.rollouts import RoutedRollouts

SHOWN = ("true", "masked", "shuffled")
"""The ways in which oversight is shown to the policy."""


@dataclass(frozen=True)
class Method:
    """What a method rewards, which steps it trains on, and where their gradients go.

    The hooks are called by every algorithm built on ``RoutedRollouts``, RoutedPPO among them. ``model`` is that
    algorithm; ``model.method`` is the method it was given, ``model.stage`` the one in force; ``model.memory`` holds
    what :meth:`start` made; ``model.routes`` maps the outcomes that the environment reports to experts.

    Attributes:
        name: the name, as given to ``--method``.
        summary: one line for people.
        description: a paragraph with its source and its exact loss.
        reward: the training reward, a name in ``oversight_gym.envs.REWARDS``.
        experts: the names of the experts; a single expert has no gate. None means one per kind of terminal, the most
            valuable first.
        routed: whether the observed outcome restricts which parameters a gradient reaches.
        gate_loss: whether a loss draws the gate towards the expert of the observed outcome.
        hard_gate: whether updates pass labelled steps only through their expert.
        gated: whether there is a gate to learn; without one every expert has the same weight.
        shown_oversight: how oversight is shown to the policy: ``true``; ``masked``; or ``shuffled``, drawn
            independently of what the supervisor sees.
        left_out: the observed outcomes, in lower case, whose episodes are left out of updates.
        unfinished: whether updates see the steps of episodes that are still running when a rollout ends. These count as
            ``unknown``, so they are left out if ``unknown`` is.
        training_gate: the gate during rollouts and updates, with the same values as ``gate``.
        gate: the gate that the trained policy is used with: ``free`` (as trained), an expert's name, or ``best``, the
            expert of the most valuable kind.
    """

    name: str
    summary: str
    description: str = ""
    reward: str = "terminal"
    experts: tuple[str, ...] | None = None
    routed: bool = False
    gate_loss: bool = False
    hard_gate: bool = False
    gated: bool = True
    shown_oversight: str = "true"
    left_out: frozenset[str] = frozenset()
    unfinished: bool = True
    training_gate: str = "free"
    gate: str = "best"

    # ---- what it changes outside of training -------------------------------------------------------------------

    def env(self, config: EnvConfig) -> EnvConfig:
        """The environment that the method trains in, derived from the requested one."""
        return replace(config, reward=self.reward, shuffled_oversight=self.shown_oversight == "shuffled")

    def policy_kwargs(self, config: EnvConfig) -> dict[str, Any]:
        """The arguments of ``GatedMixturePolicy`` that the method determines."""
        kwargs = {"experts": self.expert_names(config), "gated": self.gated}
        if self.shown_oversight != "masked":
            return kwargs
        planes = config.view_part.planes(config.world)
        if "oversight" not in planes:
            raise RequestError(
                f"method {self.name} is blind to the plane 'oversight', which view {config.view!r} does not have; "
                "choose another view or method."
            )
        return kwargs | {"blind_to": ("oversight",), "planes": planes}

    def configure(self, hyperparameters: Any) -> "Method":
        """The method with the values that it takes from a run's ``Hyperparameters``."""
        return replace(self, unfinished=False) if hyperparameters.drop_unfinished else self

    # ---- training ----------------------------------------------------------------------------------------------

    def start(self, model: "RoutedRollouts") -> Mapping[str, Memory]:
        """The state that the method keeps while a model trains, by name; it is saved and restored with the model."""
        return {}

    def stage(self, progress: float) -> "Method":
        """The method that is in force after this share of training, from 0 to 1; its other hooks are then called.

        Training routes if the first or the last stage does.
        """
        return self

    def rewards(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> None:
        """Change ``buffer.rewards`` (steps, envs) after a rollout, before returns are computed.

        The default pays this method's reward at the ends of episodes if the environment pays another one, which is the
        case in a later stage of training.
        """
        if self.reward != model.method.reward:
            buffer.pay(replace(model.env_config, reward=self.reward).reward_table)

    def labels(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> NDArray[np.int64]:
        """The index of the expert that each step is routed to, or ``UNLABELLED``, shape (steps, envs)."""
        return model.routes.labels(buffer.outcomes)

    def steps(self, model: "RoutedRollouts", buffer: "OutcomeBuffer") -> NDArray[Any] | None:
        """The steps that an update sees: shape (steps, envs), bool, or float32 for the weight of each; None for all."""
        out = [model.routes.code(name) for name in self.left_out]
        if not self._trains_on_unfinished:
            return buffer.finished & ~np.isin(buffer.outcomes, out)
        return ~np.isin(buffer.outcomes, out) if out else None

    def loss_terms(self, model: "RoutedRollouts") -> Mapping[str, "Term"]:
        """The terms of the loss beside the algorithm's own, by the name under which each is logged."""
        return {}

    def parameter_groups(self, model: "RoutedRollouts") -> Sequence[dict[str, Any]] | None:
        """The parameter groups for the optimizer, with ``lr_scale`` as a factor of the learning rate; None for the
        policy's own.

        It is called after :meth:`start`, so that a loss term may have parameters of its own in the model's memory.
        """
        return None

    # ---- what follows from the above ---------------------------------------------------------------------------

    def expert_names(self, config: EnvConfig) -> tuple[str, ...]:
        """The experts in an environment: the method's own, or one per kind of terminal, the most valuable first."""
        return most_valuable_first(config.kinds) if self.experts is None else self.experts

    def gates_in(self, config: EnvConfig) -> tuple[str, ...]:
        """The gates to evaluate in an environment: free, and forced to each expert if there are several."""
        experts = self.expert_names(config)
        return ("free", *experts) if len(experts) > 1 else ("free",)

    def gate_in(self, config: EnvConfig) -> str:
        """The gate that the trained policy is used with in an environment: ``free`` or an expert's name."""
        return resolve_gate(self.gate, self.expert_names(config), most_valuable_first(config.kinds))

    @property
    def _trains_on_unfinished(self) -> bool:
        return self.unfinished and "unknown" not in self.left_out

    @property
    def labelled(self) -> bool:
        """Whether an update needs to know which expert a step is routed to."""
        return self.routed or self.gate_loss or self.hard_gate

    @property
    def supervised(self) -> bool:
        """Whether training uses observed outcomes, so that the environment has to report them."""
        hooks = any(getattr(type(self), name) is not getattr(Method, name) for name in ("rewards", "labels", "steps"))
        fields = self.labelled or self.reward != "terminal" or bool(self.left_out) or not self.unfinished
        return fields or hooks

    @property
    def uses_hidden(self) -> bool:
        """Whether it trains on the ground truth, which no supervisor has."""
        return REWARDS[self.reward].uses_hidden

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The assumptions that the method makes beyond the problem itself; most methods make none."""
        known = ("somebody knows how every episode ended",) if self.uses_hidden else ()
        return known + (("oversight can be hidden from the agent",) if self.shown_oversight != "true" else ())

    @property
    def label_uses(self) -> tuple[str, ...]:
        """The purposes for which training uses observed kinds."""
        trains = self.routed or self.hard_gate or self.reward != "terminal" or bool(self.left_out)
        return (("training",) if trains else ()) + (("gate_loss",) if self.gate_loss else ())

    @property
    def facts(self) -> str:
        """The method's settings in one line, for people."""
        experts = "one per kind of terminal" if self.experts is None else ", ".join(self.experts)
        seen = ("every episode" if self._trains_on_unfinished else "finished episodes") + (
            f" but those observed as {', '.join(sorted(self.left_out))}" if self.left_out else ""
        )
        used = {"best": "the most valuable kind's expert", "free": "the free gate"}.get(
            self.gate, f"expert {self.gate}"
        )
        return (
            f"reward {self.reward}; experts {experts}; trained on {seen}; used with {used}; labels for "
            f"{', '.join(self.label_uses) or 'nothing'}; assumes {' and '.join(self.assumptions) or 'nothing'}"
        )

    def check(self) -> None:
        """Refuse an impossible method; called when the method is registered.

        Raises:
            RequestError: if it names something that does not exist.
        """
        choose("reward", self.reward, REWARDS)
        choose("shown_oversight", self.shown_oversight, dict.fromkeys(SHOWN))
        for name in ("gate", "training_gate"):
            choose(name, getattr(self, name), dict.fromkeys(("best", "free", *(self.experts or KINDS))))


def resolve_gate(gate: str, experts: Sequence[str], by_value: Sequence[str] = ()) -> str:
    """``free`` or an expert's name, for a method's ``gate``.

    Args:
        gate: ``free``, ``best`` or an expert's name.
        experts: the names of the policy's experts.
        by_value: the kinds' names, the most valuable first. The best expert is the first of them that is an expert,
            else the first expert.
    """
    if len(experts) == 1:
        return "free"
    return next((name for name in by_value if name in experts), experts[0]) if gate == "best" else gate


PLAIN = Method(
    "plain",
    "one expert, every step, no labels: the algorithm as it is",
    "RoutedPPO as plain PPO: a single expert, trained on every step with the environment's own reward.",
    experts=("agent",),
    unfinished=True,
)
"""Not an oversight method: plain training, for environments that report no outcomes. It is not in the registry."""

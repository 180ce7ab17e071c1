"""PPO whose policy gradients are routed by the observed outcome of each step's episode."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from oversight_gym.agents.methods.evidence import VIEWS
from oversight_gym.agents.methods.method import FINISHED, FineTuning
from oversight_gym.agents.methods.reward_model import RewardModel
from oversight_gym.agents.policies.mixture import RoutingSignal
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo.buffer import Payment, RoutedRolloutBuffer
from oversight_gym.agents.ppo.collect import collect
from oversight_gym.agents.ppo.collect_device import collect_on_device
from oversight_gym.agents.ppo.diagnostics import record_outcomes, record_routing
from oversight_gym.agents.ppo.labels import labels_by_outcome, supervise
from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.envs.infos import StepInfos
from oversight_gym.envs.oversight.outcomes import Outcome
from oversight_gym.envs.oversight.rewards import REWARDS
from oversight_gym.envs.sb3 import OversightVecEnv

COLLECTORS: dict[str, Callable[..., bool] | None] = {
    "auto": None,
    "sb3": None,
    "native": collect,
    "device": collect_on_device,
}
"""How rollouts can be collected; None is SB3's own loop."""


class RoutedPPO(PPO):
    """Proximal policy optimisation with gradient routing (Cloud et al., arXiv 2410.04332, section 4.3).

    SB3's PPO, its training loop included; what differs is where gradients go. Labels of an episode's
    observed outcome are filled back to its first step. DIAMOND steps reach the diamond expert and the
    shared layers, GHOST steps the ghost expert and the shared layers, all others everything. The gate loss
    draws the gate towards the labelled expert. With one epoch, one minibatch, ``gae_lambda=1`` and no
    normalisation this is REINFORCE with a baseline.

    Args:
        policy: ``"GatedMixturePolicy"`` (or a class), or ``"MlpPolicy"`` for SB3's own.
        env: as in PPO; its infos must hold ``observed_outcome`` where an episode ends, if ``routed``,
            ``gate_coef`` or ``trained_on`` need it.
        routed: whether labels restrict where gradients go.
        gate_coef: weight of the gate loss.
        balanced_gate: whether every labelled expert counts equally in the gate loss, or every labelled step.
        trained_on: outcomes of the episodes an update sees (see ``RoutedRolloutBuffer`` for the rule on
            unfinished ones). None: every step, as in PPO.
        hard_gate: pass labelled steps of an update through their expert alone; rollouts are drawn by the free gate.
        shuffle_labels: deal the observed kinds to the observed episodes of each rollout at random: a control.
        reward_model: what a classifier that pays unobserved episodes may look at, a name in ``VIEWS`` (see
            ``RewardModel``); None for no classifier.
        paper_compat: reproduce how the paper's code treats unfinished episodes (see ``RoutedRolloutBuffer``).
        finetuning: how training differs from ``finetune_from`` steps on; None if it does not.
        finetune_from: environment steps.
        collector: how rollouts are collected: ``sb3``, by SB3's own loop, bit-equal to PPO; ``native``, from
            ``OversightVecEnv`` without Python per environment; ``device``, as native with the environment on the
            policy's device; ``auto``, the fastest that fits.
        **kwargs: as in PPO.

    Attributes:
        episodes_observed: shape (outcomes,), int64: finished episodes so far by observed ``Outcome``.

    Raises:
        RequestError: if routing or a gate loss is asked of a policy without a mixture.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "GatedMixturePolicy": GatedMixturePolicy,
        "MlpPolicy": ActorCriticPolicy,
    }
    rollout_buffer: RoutedRolloutBuffer

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy] = "GatedMixturePolicy",
        env: Any = None,
        *,
        routed: bool = True,
        gate_coef: float = 0.3,
        balanced_gate: bool = True,
        trained_on: Collection[int] | None = FINISHED,
        hard_gate: bool = False,
        shuffle_labels: bool = False,
        reward_model: str | None = None,
        paper_compat: bool = False,
        finetuning: FineTuning | None = None,
        finetune_from: int = 0,
        collector: str = "auto",
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        self.routed = routed
        self.gate_coef, self.balanced_gate = gate_coef, balanced_gate
        self.hard_gate, self.shuffle_labels, self.reward_model = hard_gate, shuffle_labels, reward_model
        if reward_model is not None:
            choose("reward_model", reward_model, VIEWS)
        self.paper_compat = paper_compat
        self.finetuning, self.finetune_from = finetuning, finetune_from
        choose("collector", collector, COLLECTORS)
        self.collector = collector
        self.trained_on = None if trained_on is None else sorted(int(outcome) for outcome in trained_on)
        self._forced_gate: str | None = None
        self.episodes_observed = np.zeros(len(Outcome), dtype=np.int64)  # finished episodes by observed outcome
        super().__init__(policy, env, _init_setup_model=False, **kwargs)
        if _init_setup_model:
            self._setup_model()

    @property
    def supervised(self) -> bool:
        """Whether training looks at observed outcomes at all."""
        labels = self.routed or self.gate_coef > 0 or self.hard_gate or self.reward_model is not None
        return labels or self.trained_on is not None

    def _setup_model(self) -> None:
        experts: Sequence[str] = self.policy_kwargs.get("experts", ("diamond", "ghost"))
        if not issubclass(self.policy_class, GatedMixturePolicy):
            experts = ("agent",)
        if len(experts) == 1 and (self.routed or self.gate_coef > 0 or self.hard_gate or self.finetuning):
            raise RequestError(
                f"routed is {self.routed} and gate_coef {self.gate_coef}, but the policy has a single expert; use a "
                "GatedMixturePolicy of two experts or more, or routed=False, gate_coef=0, hard_gate=False and no "
                "finetuning."
            )
        self.rollout_buffer_class = RoutedRolloutBuffer
        of_labels, of_rewards = (None if self.seed is None else [self.seed, use] for use in (1, 2))  # not the env's
        self.rollout_buffer_kwargs = {
            "trained_on": self.trained_on,
            "label_table": labels_by_outcome(experts),
            "paper_compat": self.paper_compat,
            "shuffle": np.random.default_rng(of_labels) if self.shuffle_labels else None,
        }
        if self.reward_model is not None:
            assert isinstance(self.action_space, Discrete)
            classifier = RewardModel(self.reward_model, int(self.action_space.n), of_rewards)
            self.rollout_buffer_kwargs["relabel"] = classifier
        super()._setup_model()

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """As in SB3, by the collector chosen."""
        if self.finetuning is not None and self.num_timesteps >= self.finetune_from:
            self._begin(self.finetuning)
        with self._acting():
            return self._collect(env, callback, rollout_buffer, n_rollout_steps)

    def _begin(self, finetuning: FineTuning) -> None:
        self.routed, self.gate_coef, self.hard_gate = False, 0.0, False
        self._forced_gate = finetuning.gate
        self.rollout_buffer.trained_on = sorted(finetuning.trained_on)
        self.rollout_buffer.relabel = Payment(REWARDS[finetuning.reward].table((-1.0, 1.0)))

    def _acting(self) -> AbstractContextManager[None]:
        """The gate that rollouts and updates are made with."""
        if self._forced_gate is None:
            return nullcontext()
        assert isinstance(self.policy, GatedMixturePolicy)
        return self.policy.steer(self._forced_gate)

    def _collect(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        native = isinstance(env, OversightVecEnv) and isinstance(self.policy, GatedMixturePolicy)
        chosen = self.collector
        if chosen == "auto":
            chosen = ("native" if self.device.type == "cpu" else "device") if native else "sb3"
        function = COLLECTORS[chosen]
        if function is None:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        if not native:
            raise RequestError(
                f"collector is {chosen!r}; give it an OversightVecEnv and a GatedMixturePolicy, or use 'auto'."
            )
        return function(self, env, callback, self.rollout_buffer, n_rollout_steps)

    def _update_info_buffer(self, infos: Sequence[dict[str, Any]], dones: NDArray[np.bool_] | None = None) -> None:
        # Called between a step and the buffer's ``add``: ``buffer.pos`` is the step just taken.
        if isinstance(infos, StepInfos):
            assert self.ep_info_buffer is not None
            self.ep_info_buffer.extend(infos.episodes())
        else:
            super()._update_info_buffer(infos, dones)  # type: ignore[arg-type]
        if self.supervised and dones is not None:
            self.rollout_buffer.note(supervise(infos, dones))

    def train(self) -> None:
        """One PPO update on the current rollout, with gradients routed."""
        buffer = self.rollout_buffer
        if self.supervised:
            self.episodes_observed += record_outcomes(self.logger, buffer)
        if not buffer.kept().any():
            return  # nothing to learn from, for example no observed episode when filtering
        if not isinstance(self.policy, GatedMixturePolicy) or not self.supervised or len(self.policy.experts) == 1:
            super().train()
            return
        signal = RoutingSignal(
            lambda: buffer.batch_labels, self.routed, self.gate_coef, self.balanced_gate, self.hard_gate
        )
        with self.policy.routed(signal), self._acting():
            super().train()
            record_routing(self.logger, self.policy, buffer)

"""The parts that routing adds to an on-policy algorithm of stable-baselines3: a method, observed outcomes, labels."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Dict
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.vec_env import VecEnv
from torch import optim

from oversight_gym.agents.methods.builtin import METHODS, Method
from oversight_gym.agents.methods.memory import Memory
from oversight_gym.agents.methods.method import PLAIN, resolve_gate
from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.ppo import losses
from oversight_gym.agents.ppo.buffer import DictOutcomeBuffer, OutcomeBuffer
from oversight_gym.agents.ppo.collectors import COLLECTORS, choose_collector
from oversight_gym.agents.ppo.defects import CUT, STALE, known_defects
from oversight_gym.agents.ppo.diagnostics import record_outcomes, record_routing
from oversight_gym.agents.ppo.labels import supervise
from oversight_gym.agents.ppo.losses import Loss, Term
from oversight_gym.agents.ppo.routes import Routes, make_routes
from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.errors import RequestError, choose
from oversight_gym.envs.infos import StepInfos
from oversight_gym.envs.world.kinds import most_valuable_first


class RoutedRollouts(OnPolicyAlgorithm):
    """A mixin that adds routing to an on-policy algorithm of SB3; it comes before the algorithm among the base classes.

    The algorithm's ``train`` calls :meth:`prepare`, then takes minibatches from ``rollout_buffer.get``, hands them with
    ``routing`` to ``forward_batch`` and adds :meth:`routing_terms` to its loss, all of it within :meth:`acting`.

    Args:
        policy: ``"GatedMixturePolicy"`` (or a class), or one of SB3's own, such as ``"MlpPolicy"``.
        env: as in SB3. If the method uses observed outcomes, the info at the end of every episode, terminated or
            truncated, must hold ``observed_outcome``: an outcome that has a route, ``"unknown"`` where the supervisor
            did not see the outcome, or None where there was none, as at a time limit.
        method: a method, or the name of one.
        gate_coef: the weight of the gate loss, for methods that have one.
        balanced_gate: whether all labelled experts count equally in the gate loss; if not, all labelled steps do.
        gate_per_minibatch: whether the gate loss is the mean over each minibatch's labelled steps, where a single step
            can weigh as much as a thousand; if not, it is the mean over the rollout's labelled steps.
        paper_compat: the names of the defects of the paper's code to reproduce (see ``DEFECTS``).
        collector: the way to collect rollouts: ``sb3``, SB3's own loop; ``native``, from ``OversightVecEnv`` without
            Python code per environment; ``device``, like ``native`` with the environment on the policy's device;
            ``auto``, the fastest that fits.
        routes: a mapping from the outcomes that the environment reports (integers or names) to experts; None routes
            each to the expert of its name in lower case. ``None``, ``"none"`` and ``"unknown"`` need no route.
        **kwargs: the algorithm's own arguments. ``policy_kwargs`` override what the method determines.

    Attributes:
        method: the method given.
        memory: the state that the method keeps while the model trains.
        routes: the outcomes that the environment reports, and the expert of each.
        episodes_observed: shape (outcomes,), int64: the number of finished episodes so far by observed outcome (see
            ``Routes``).

    Raises:
        RequestError: if the method routes, or has a gate loss, and the policy has a single expert, or none of its
            experts is the expert of an outcome.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "GatedMixturePolicy": GatedMixturePolicy,
        "MlpPolicy": ActorCriticPolicy,
        "CnnPolicy": ActorCriticCnnPolicy,
        "MultiInputPolicy": MultiInputActorCriticPolicy,
    }
    rollout_buffer: OutcomeBuffer

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy] = "GatedMixturePolicy",
        env: Any = None,
        *,
        method: str | Method = "routing",
        gate_coef: float = 0.3,
        balanced_gate: bool = True,
        gate_per_minibatch: bool = False,
        paper_compat: Collection[str] = (),
        collector: str = "auto",
        routes: Mapping[int | str, str] | None = None,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        known = PLAIN if method == PLAIN.name else method
        self.method: Method = METHODS[known] if isinstance(known, str) else known
        self.gate_coef, self.balanced_gate, self.gate_per_minibatch = gate_coef, balanced_gate, gate_per_minibatch
        self.paper_compat = known_defects(paper_compat)
        choose("collector", collector, COLLECTORS)
        self.collector = collector
        self.asked_routes = routes
        self.progress = 0.0
        super().__init__(policy, env, _init_setup_model=False, **kwargs)
        if _init_setup_model:
            self._setup_model()

    # ---- setting up --------------------------------------------------------------------------------------------

    @property
    def experts(self) -> tuple[str, ...]:
        """The policy's experts."""
        return getattr(self.policy, "experts", ("agent",))

    def _setup_model(self) -> None:
        self.policy_kwargs = {**self._policy_kwargs(), **self.policy_kwargs}
        dicts = isinstance(self.observation_space, Dict)
        self.rollout_buffer_class = DictOutcomeBuffer if dicts else OutcomeBuffer
        self.rollout_buffer_kwargs = {"cut_is_worthless": CUT in self.paper_compat}
        super()._setup_model()
        if len(self.experts) == 1 and (self._labelled or self.method.stage(1.0).training_gate != "free"):
            raise RequestError(
                f"method {self.method.name} needs several experts, but the policy has a single expert; use a "
                "GatedMixturePolicy of two experts or more, or another method."
            )
        if self.env is not None or not hasattr(self, "routes"):
            self._set_routes()
        self.rollout_buffer.before_returns = self._pay
        self.memory: Mapping[str, Memory] = self.method.start(self)
        for name, (arrays, position) in self.__dict__.pop("_saved_memory", {}).items():
            self.memory[name].restore(arrays, position)
        groups = self.method.parameter_groups(self)
        if groups is not None:
            kwargs = self.policy.optimizer_kwargs
            self.policy.optimizer = self.policy.optimizer_class(groups, lr=self.lr_schedule(1), **kwargs)  # type: ignore[call-arg]

    @property
    def _labelled(self) -> bool:
        return self.method.stage(0.0).labelled or self.method.stage(1.0).labelled

    def _set_routes(self) -> None:
        before = getattr(self, "routes", None)
        self.routes: Routes = make_routes(self.env, self.experts, self.asked_routes, self._labelled)
        if before is None or before.names != self.routes.names:
            self.episodes_observed = np.zeros(len(self.routes.names), dtype=np.int64)

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        """As in SB3. The outcomes are those of the new environment; if they differ, counting begins again."""
        super().set_env(env, force_reset)
        self._set_routes()

    @property
    def env_config(self) -> EnvConfig:
        """The config of the environment.

        Raises:
            RequestError: if it has none, because it is not an environment of this project.
        """
        found = self._find_config()
        if found is None:
            raise RequestError(
                f"method {self.method.name} needs an environment with an EnvConfig, such as OversightVecEnv; give it "
                "one or choose another method."
            )
        return found

    def _find_config(self) -> EnvConfig | None:
        found = self.env.get_attr("config")[0] if self.env is not None and self.env.has_attr("config") else None
        return found if isinstance(found, EnvConfig) else None

    def _policy_kwargs(self) -> dict[str, Any]:
        """The arguments of a mixture policy that the method determines."""
        if not issubclass(self.policy_class, GatedMixturePolicy):
            return {}
        config = self._find_config()
        if config is not None:
            return self.method.policy_kwargs(config)
        experts = self.method.experts or tuple(dict.fromkeys((self.asked_routes or {}).values()))
        if not experts and "experts" not in self.policy_kwargs:
            raise RequestError(
                f"method {self.method.name} has an expert per kind of terminal, which this environment does not name; "
                "give policy_kwargs={'experts': (...)} or `routes`."
            )
        return {"experts": experts, "gated": self.method.gated}

    def _update_learning_rate(self, optimizers: list[optim.Optimizer] | optim.Optimizer) -> None:
        super()._update_learning_rate(optimizers)
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            for group in optimizer.param_groups:
                group["lr"] *= group.get("lr_scale", 1.0)

    # ---- what is in force --------------------------------------------------------------------------------------

    @property
    def stage(self) -> Method:
        """The method in force."""
        return self.method.stage(self.progress)

    @property
    def routing(self) -> dict[str, bool]:
        """The effect of labels on a forward pass, as keywords of ``forward_batch``."""
        return {"detach": self.stage.routed, "hard": self.stage.hard_gate}

    def routing_terms(self) -> dict[str, Term]:
        """The gate loss and the method's own terms, by the name under which each is logged."""
        terms = dict(self.stage.loss_terms(self))
        if self.stage.gate_loss and self.gate_coef:
            terms = {"gate_loss": Term(self._gate_loss(), self.gate_coef)} | terms
        return terms

    def _gate_loss(self) -> Loss:
        labels, steps = self.rollout_buffer.labels, self.rollout_buffer.steps
        if self.gate_per_minibatch or labels is None:
            return losses.gate_loss(self.balanced_gate)
        shares = losses.rollout_shares(labels, steps, len(self.experts), self.balanced_gate)
        return losses.gate_loss(self.balanced_gate, shares.to(self.device))

    def acting(self) -> AbstractContextManager[None]:
        """A context with the gate of rollouts and updates."""
        gate = self.stage.training_gate
        if gate == "free":
            return nullcontext()
        assert isinstance(self.policy, GatedMixturePolicy)
        config = self._find_config()
        kinds = () if config is None else most_valuable_first(config.kinds)
        return self.policy.steer(resolve_gate(gate, self.experts, kinds))

    # ---- rollouts ----------------------------------------------------------------------------------------------

    def _setup_learn(
        self, total_timesteps: int, callback: Any = None, reset_num_timesteps: bool = True, *args: Any, **kwargs: Any
    ) -> tuple[int, BaseCallback]:
        if reset_num_timesteps:
            self.progress = 0.0  # training goes on from the trained weights, and begins again with its first stage
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, *args, **kwargs)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """As in SB3, by the chosen collector."""
        self.progress = max(self.progress, self.num_timesteps / self._total_timesteps)  # never back to an earlier stage
        collect = choose_collector(self.collector, env, self.policy, self.device)
        if collect is None and STALE in self.paper_compat:
            raise RequestError(
                f"paper_compat names {STALE!r}, which SB3's own loop cannot reproduce; give an OversightVecEnv and "
                "collector 'auto', or leave it out."
            )
        with self.acting():
            if collect is None:
                return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
            return collect(self, env, callback, self.rollout_buffer, n_rollout_steps)

    def _update_info_buffer(self, infos: Sequence[dict[str, Any]], dones: NDArray[np.bool_] | None = None) -> None:
        # Called between a step and the buffer's ``add``: ``buffer.pos`` is the step just taken.
        if isinstance(infos, StepInfos):
            assert self.ep_info_buffer is not None
            self.ep_info_buffer.extend(infos.episodes())
        else:
            super()._update_info_buffer(infos, dones)  # type: ignore[arg-type]
        if self.stage.supervised and dones is not None:
            self.rollout_buffer.note(supervise(infos, dones, self.routes))

    def _pay(self, buffer: OutcomeBuffer) -> None:
        self.stage.rewards(self, buffer)

    # ---- updates -----------------------------------------------------------------------------------------------

    def prepare(self) -> bool:
        """Label the rollout and choose its steps; call it before an update.

        Returns:
            whether there is any step to learn from. There is none, for example, if the method filters and no episode
            was observed.
        """
        buffer, stage = self.rollout_buffer, self.stage
        if len(self.experts) > 1 and stage.supervised:
            buffer.labels = stage.labels(self, buffer)
        buffer.steps = stage.steps(self, buffer)
        if stage.supervised:
            self.episodes_observed += record_outcomes(self.logger, self.routes, buffer)
        return bool(buffer.kept().any())

    def record_routing(self) -> None:
        """Log the gate and each expert's gradient on the steps of each label; call it after an update."""
        if self.rollout_buffer.labels is not None:
            assert isinstance(self.policy, GatedMixturePolicy)
            record_routing(self.logger, self.policy, self.rollout_buffer, self.routing)

    # ---- saving ------------------------------------------------------------------------------------------------

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "memory"]

    def save(self, path: Any, exclude: Iterable[str] | None = None, include: Iterable[str] | None = None) -> None:
        """As in SB3, with the method's state. ``load`` unpickles such a file, so load only files that you trust."""
        self._saved_memory = {name: memory.snapshot() for name, memory in self.memory.items()}
        try:
            super().save(path, exclude, include)
        finally:
            del self._saved_memory

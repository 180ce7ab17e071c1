"""The mixture as a stable-baselines3 policy, and how to steer it by its gate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import MultiBinary
from numpy.typing import NDArray
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import Tensor, nn

from oversight_gym.agents.policies.mixture import Features, GatedMixture, RoutingSignal
from oversight_gym.agents.policies.multi_hot import Distinct, MultiHot, flat_binary
from oversight_gym.agents.policies.optimizer import LightAdam
from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.envs.errors import RequestError

Gate = str | float | Sequence[float] | None
"""How to set the gate: an expert's name, the first of two experts' weight, a weight per expert, or None (free)."""


class GatedMixturePolicy(ActorCriticPolicy):
    """Actor-critic policy whose actor is a gated mixture of experts with a shared linear head.

    The action logits are ``W (sum_k a_k(x) f_k(x)) + b`` with expert features f and gate weights a; the
    value network is separate and never routed. Saved and loaded by SB3's own ``save`` and ``load``. With
    one expert it is SB3's ``MlpPolicy``, bit for bit.

    Args:
        experts: names of the experts. A name that is an outcome in lower case (``diamond``, ``ghost``)
            receives the episodes observed to end so.
        net_arch: hidden layers: ``pi`` of each expert, ``vf`` of the value network, ``gate`` of the gate.
        activation_fn: activation after every hidden layer.
        gated: whether there is a gate to learn; without one every expert has the same weight.
        linear_value: leave the activations out of the value network: a linear baseline.
        channels: under ``gate`` and ``vf``, channels of a 1 x 1 convolution before that network's first hidden layer.
        hidden_planes: planes of the observation that experts, gate and value network are blind to: the weights of
            their first layers that read them are 0 and stay so.
        multi_hot: read binary observations by their ones, on the CPU: the same numbers but for rounding, faster. Only
            for a ``MultiBinary`` space and SB3's ``FlattenExtractor``; None where it can be.
        **kwargs: as in ``ActorCriticPolicy``; the optimizer is :class:`LightAdam` unless set.

    Raises:
        RequestError: if expert names repeat or there are none, the observations are not binary, or a network is to
            begin with a convolution and has no hidden layer.
    """

    def __init__(
        self,
        *args: Any,
        experts: Sequence[str] = ("diamond", "ghost"),
        net_arch: dict[str, list[int]] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        gated: bool = True,
        linear_value: bool = False,
        channels: dict[str, int] | None = None,
        hidden_planes: Sequence[int] = (),
        multi_hot: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.gated, self.linear_value, self.hidden_planes = gated, linear_value, tuple(hidden_planes)
        self.channels = {name: count for name, count in (channels or {}).items() if count}
        if len(set(experts)) != len(experts) or not experts:
            raise RequestError(f"experts are {list(experts)}; give at least one name, each once.")
        self.experts = tuple(experts)
        self.layers = net_arch or {"pi": [256, 256], "vf": [256, 256], "gate": [128, 128]}
        kwargs = {"optimizer_class": LightAdam, **kwargs, "net_arch": self.layers, "activation_fn": activation_fn}
        if kwargs["optimizer_class"] is LightAdam:
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, **(kwargs.get("optimizer_kwargs") or {})}  # as SB3 sets Adam's
        super().__init__(*args, **kwargs)
        flattened = self.share_features_extractor and isinstance(self.features_extractor, FlattenExtractor)
        binary = flattened and isinstance(self.observation_space, MultiBinary)
        if multi_hot and not binary:
            raise RequestError(
                f"multi_hot is True, but the observations are {self.observation_space}; it needs a MultiBinary space "
                "and one FlattenExtractor, or use multi_hot=False."
            )
        self.multi_hot = binary if multi_hot is None else multi_hot
        if self.hidden_planes:
            self._hide_planes(flattened)

    def _hide_planes(self, flattened: bool) -> None:
        planes = self.observation_space.shape or ()
        if not flattened or len(planes) != 3 or not all(0 <= plane < planes[0] for plane in self.hidden_planes):
            raise RequestError(
                f"hidden_planes is {self.hidden_planes}, but the observations are {self.observation_space}; give "
                "planes of (planes, rows, cols) under one FlattenExtractor."
            )
        mask = torch.ones(planes)
        mask[list(self.hidden_planes)] = 0.0
        for network in (*self.mixture.experts.values(), self.mixture.gate, self.mixture.value_net):
            if network is not None:
                first = network[0]  # type: ignore[index]
                pointwise = isinstance(first, PointwiseLinear)
                weight = first.convolution.weight if pointwise else first.weight
                kept = mask[:, :1, :1] if pointwise else mask.flatten()
                with torch.no_grad():
                    weight.mul_(kept.to(weight.device))
                weight.register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient.device))

    def _build_mlp_extractor(self) -> None:
        for name in self.channels:
            if not self.layers.get(name):
                raise RequestError(
                    f"the {name} network has a convolution and no hidden layer; give it one, or 0 channels."
                )
        mixture = GatedMixture(
            self.features_dim,
            self.experts,
            self.layers,
            self.activation_fn,
            self.gated,
            self.linear_value,
            (self.observation_space.shape or (0,))[0],
            self.channels,
        )
        self.mlp_extractor = mixture  # type: ignore[assignment]

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = ("experts", "gated", "linear_value", "channels", "hidden_planes", "multi_hot")
        return super()._get_constructor_parameters() | {name: getattr(self, name) for name in own}

    @property
    def mixture(self) -> GatedMixture:
        """The module that holds experts, gate and value network."""
        assert isinstance(self.mlp_extractor, GatedMixture)
        return self.mlp_extractor

    def gate_vector(self, gate: Gate) -> Tensor | None:
        """The weights that ``gate`` stands for, shape (experts,), float32; None if free.

        Raises:
            RequestError: if there is no such expert, or the numbers do not fit.
        """
        if gate is None or gate == "free":
            return None
        count = len(self.experts)
        if count == 1:
            raise RequestError(f"the gate is set to {gate!r}, but this policy has a single expert; leave it free.")
        if isinstance(gate, str):
            if gate not in self.experts:
                raise RequestError(f"there is no expert {gate!r}; choose 'free' or one of {', '.join(self.experts)}.")
            weights = [float(name == gate) for name in self.experts]
        elif isinstance(gate, int | float):
            weights = [float(gate), 1.0 - float(gate)]
        else:
            weights = [float(weight) for weight in gate]
        if len(weights) != count or not all(0.0 <= weight <= 1.0 for weight in weights):
            raise RequestError(f"gate is {gate!r}; give one weight in [0, 1] for each of {self.experts}.")
        return torch.tensor(weights, dtype=torch.float32, device=self.device)

    def reads_ones(self, obs: Tensor) -> bool:
        """Whether these observations are read by their ones."""
        return self.multi_hot and obs.device.type == "cpu"

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """As in SB3, or the ones of binary observations (see ``multi_hot``)."""
        if self.reads_ones(obs):
            return MultiHot.chunks(flat_binary(obs))
        return super().extract_features(obs, features_extractor)

    def evaluate_actions(self, obs: Any, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """As in SB3; of binary observations, each different one (routed alike) is evaluated once."""
        if not self.reads_ones(obs):
            return super().evaluate_actions(obs, actions)
        signal = self.mixture.signal
        labels = signal.labels() if signal else None
        distinct = Distinct.of(flat_binary(obs), labels)
        if signal and labels is not None:
            of_rows = labels[distinct.first]
            signal = replace(signal, labels=lambda: of_rows, repeats=distinct.repeats)
        with self.routed(signal):
            latent_pi, latent_vf = self.mixture(self.extract_features(obs[distinct.first]))
        logits, values = (
            head(latent).index_select(0, distinct.row)
            for head, latent in ((self.action_net, latent_pi), (self.value_net, latent_vf))
        )
        distribution = self.action_dist.proba_distribution(action_logits=logits)
        return values, distribution.log_prob(actions), distribution.entropy()

    def _features(self, obs: Any, extractor: nn.Module) -> Features:
        if self.share_features_extractor:
            shared: Features = self.extract_features(obs)
            return shared
        features: Tensor = BasePolicy.extract_features(self, obs, extractor)  # type: ignore[arg-type]
        return features

    def policy_features(self, obs: Any) -> Features:
        """What experts and gate read of observations, one row per observation."""
        return self._features(obs, self.pi_features_extractor)

    def get_distribution(self, obs: Any) -> Distribution:
        """As in SB3, which does not ask :meth:`extract_features` here."""
        return self._get_action_dist_from_latent(self.mixture.forward_actor(self.policy_features(obs)))

    def predict_values(self, obs: Any) -> Tensor:
        """Values, shape (batch, 1)."""
        values: Tensor = self.value_net(self.mixture.forward_critic(self._features(obs, self.vf_features_extractor)))
        return values

    def log_probs(self, obs: Tensor) -> Tensor:
        """Log-probability of every action, shape (batch, actions)."""
        logits: Tensor = self.action_net(self.mixture.forward_actor(self.policy_features(obs)))
        return logits.log_softmax(dim=1)

    @contextmanager
    def steer(self, gate: Gate) -> Iterator[None]:
        """Force the gate within a ``with`` block, for sampling, ``predict`` and evaluation alike."""
        before = self.mixture.forced_gate
        self.mixture.forced_gate = self.gate_vector(gate)
        try:
            yield
        finally:
            self.mixture.forced_gate = before

    def expert(self, gate: Gate) -> "SteeredPolicy":
        """The policy with its gate forced, as an object of its own that shares the weights."""
        return SteeredPolicy(self, gate)

    @contextmanager
    def routed(self, signal: RoutingSignal | None) -> Iterator[None]:
        """Let a routing signal, or none, act on every forward pass within a ``with`` block."""
        before = self.mixture.signal
        self.mixture.signal = signal
        try:
            yield
        finally:
            self.mixture.signal = before


class SteeredPolicy:
    """A mixture policy seen through a forced gate. Usable wherever SB3 wants an object with ``predict``.

    Args:
        policy: the policy; its weights are shared, not copied.
        gate: how the gate is set.
    """

    def __init__(self, policy: GatedMixturePolicy, gate: Gate) -> None:
        policy.gate_vector(gate)  # refuse a wrong gate now, not at the first step
        self.policy, self.gate = policy, gate

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[NDArray[np.int64], Any]:
        """As ``BasePolicy.predict``, with the gate forced."""
        with self.policy.steer(self.gate):
            actions, state = self.policy.predict(observation, state, episode_start, deterministic)
        return actions, state

    def get_distribution(self, obs: Any) -> Distribution:
        """As ``ActorCriticPolicy.get_distribution``, with the gate forced."""
        with self.policy.steer(self.gate):
            return self.policy.get_distribution(obs)

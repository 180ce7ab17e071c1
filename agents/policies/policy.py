"""The mixture as a stable-baselines3 policy."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from gymnasium.spaces import Dict, MultiBinary
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from torch import Tensor, nn

from oversight_gym.agents.policies.forward import ForwardPass, Minibatch, row_weights, taken_actions
from oversight_gym.agents.policies.multi_hot import Distinct, MultiHot, Repeated, flat_binary
from oversight_gym.agents.policies.networks import Features, MixtureExtractor, Network
from oversight_gym.agents.policies.optimizer import LightAdam
from oversight_gym.agents.policies.perceptron import ACTIVATIONS
from oversight_gym.agents.policies.pointwise import PointwiseLinear
from oversight_gym.agents.policies.steering import Gate, SteeredPolicy, forced_gate, gate_vector
from oversight_gym.agents.routing.mixture import Forced
from oversight_gym.envs.errors import RequestError


class GatedMixturePolicy(ActorCriticPolicy):
    """Actor-critic policy whose actor is a gated mixture of experts with a shared linear head.

    The action logits are ``W (sum_k a_k(x) f_k(x)) + b`` with expert features f and gate weights a; the
    value network is separate and never routed. Saved and loaded by SB3's own ``save`` and ``load``. With
    one expert it is SB3's ``MlpPolicy``, bit for bit.

    Args:
        experts: the names of the experts; the algorithm determines which outcomes are routed to them.
        net_arch: the sizes of the hidden layers: ``pi`` for each expert, ``vf`` for the value network, ``gate`` for the
            gate.
        activation_fn: the activation after every hidden layer.
        gated: whether there is a gate to learn; without one every expert has the same weight.
        linear_value: whether the value network has no activations, which makes it a linear baseline.
        zero_bias: whether biases begin at 0; the weights are drawn as without.
        channels: the number of channels, under ``gate`` and ``vf``, of a 1 x 1 convolution before that network's first
            hidden layer.
        blind_to: planes of the observation that experts, gate and value network are blind to, by index, or by name if
            ``planes`` is given: the weights of their first layers that read them are 0 and stay so.
        planes: the names of the observation's planes, in order.
        multi_hot: whether binary observations are read in sparse form on the CPU, which gives the same numbers up to
            rounding and is faster. It needs a ``MultiBinary`` space, SB3's ``FlattenExtractor`` and an activation in
            ``ACTIVATIONS``; None turns it on where these are given.
        **kwargs: as in ``ActorCriticPolicy``; the optimizer is :class:`LightAdam` unless set.

    Raises:
        RequestError: if expert names repeat or there are none, the observations are not binary, or a network is to
            begin with a convolution and has no hidden layer.
    """

    def __init__(
        self,
        *args: Any,
        experts: Sequence[str] = ("agent",),
        net_arch: dict[str, list[int]] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        gated: bool = True,
        linear_value: bool = False,
        zero_bias: bool = False,
        channels: dict[str, int] | None = None,
        blind_to: Sequence[int | str] = (),
        planes: Sequence[str] = (),
        multi_hot: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.gated, self.linear_value, self.zero_bias = gated, linear_value, zero_bias
        self.blind_to, self.planes = tuple(blind_to), tuple(planes)
        self.channels = {name: count for name, count in (channels or {}).items() if count}
        if len(set(experts)) != len(experts) or not experts:
            raise RequestError(f"experts are {list(experts)}; give at least one name, each once.")
        self.experts = tuple(experts)
        self.layers = net_arch or {"pi": [256, 256], "vf": [256, 256], "gate": [128, 128]}
        kwargs = {"optimizer_class": LightAdam, **kwargs, "net_arch": self.layers, "activation_fn": activation_fn}
        space = args[0] if args else kwargs.get("observation_space")
        if isinstance(space, Dict):
            kwargs.setdefault("features_extractor_class", CombinedExtractor)
        if kwargs["optimizer_class"] is LightAdam:
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, **(kwargs.get("optimizer_kwargs") or {})}  # as SB3 sets Adam's
        super().__init__(*args, **kwargs)
        flattened = self.share_features_extractor and isinstance(self.features_extractor, FlattenExtractor)
        sparse = flattened and isinstance(self.observation_space, MultiBinary) and self.activation_fn in ACTIVATIONS
        if multi_hot and not sparse:
            raise RequestError(
                f"multi_hot is True, but the observations are {self.observation_space} and the activation is "
                f"{self.activation_fn.__name__}; it needs a MultiBinary space, one FlattenExtractor and "
                f"{' or '.join(known.__name__ for known in ACTIVATIONS)}, or use multi_hot=False."
            )
        self.multi_hot = sparse if multi_hot is None else multi_hot
        if self.blind_to:
            self._blind(flattened)
        if zero_bias:
            with torch.no_grad():
                for name, parameter in self.named_parameters():
                    if name.endswith("bias"):
                        parameter.zero_()

    def _blind(self, flattened: bool) -> None:
        shape = self.observation_space.shape or ()
        known = [plane in self.planes if isinstance(plane, str) else 0 <= plane < shape[0] for plane in self.blind_to]
        if not flattened or len(shape) != 3 or not all(known):
            raise RequestError(
                f"blind_to is {self.blind_to}, but the observations are {self.observation_space} with planes "
                f"{self.planes}; give planes of (planes, rows, cols) under one FlattenExtractor."
            )
        mask = torch.ones(shape)
        mask[[self.planes.index(plane) if isinstance(plane, str) else plane for plane in self.blind_to]] = 0.0
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
        mixture = MixtureExtractor(
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
        own = ("experts", "gated", "linear_value", "zero_bias", "channels", "blind_to", "planes", "multi_hot")
        return super()._get_constructor_parameters() | {name: getattr(self, name) for name in own}

    @property
    def mixture(self) -> MixtureExtractor:
        """The module that holds experts, gate and value network."""
        assert isinstance(self.mlp_extractor, MixtureExtractor)
        return self.mlp_extractor

    def gate_vector(self, gate: Gate) -> Tensor | None:
        """The weights that ``gate`` stands for, shape (experts,), float32; None for the free gate.

        Raises:
            RequestError: if there is no such expert, or the numbers do not fit the experts.
        """
        weights = gate_vector(gate, self.experts)
        return None if weights is None else weights.to(self.device)

    def forced(self, gate: Gate) -> Forced | None:
        """The replacement for the free gate that ``gate`` stands for; None if it leaves the gate free. Errors are those
        of :meth:`gate_vector`."""
        return forced_gate(gate, self.experts, self.device)

    def reads_ones(self, obs: Tensor) -> bool:
        """Whether these observations are read in sparse form."""
        return self.multi_hot and obs.device.type == "cpu"

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """As in SB3; for binary observations, their sparse form (see ``multi_hot``), which is returned unchanged if
        given."""
        if isinstance(obs, MultiHot):
            return obs
        if self.reads_ones(obs):
            return MultiHot.of(flat_binary(obs))
        return super().extract_features(obs, features_extractor)

    def forward_batch(
        self, batch: Minibatch, detach: bool = False, hard: bool = False, outputs: bool = True
    ) -> ForwardPass:
        """Values, log-probabilities and the mixture's parts for an update; see ``forward.forward_batch``."""
        if self.reads_ones(batch.observations) and isinstance(self.action_dist, CategoricalDistribution):
            return self._forward_distinct(batch, detach, hard, outputs)
        obs, labels = batch.observations, batch.labels
        features = self.extract_features(obs)
        of_policy, of_value = (features, features) if self.share_features_extractor else features
        mixed = self.mixture.mix(of_policy, labels, detach=detach, hard=hard, gate=self.mixture.forced_gate)
        distribution = self._get_action_dist_from_latent(mixed.output)
        values: Tensor = self.value_net(self.mixture.forward_critic(of_value))
        log_prob, entropy = distribution.log_prob(taken_actions(self, batch)), distribution.entropy()
        return ForwardPass(values.flatten(), log_prob, entropy, obs, mixed, labels, batch.weights)

    def _forward_distinct(self, batch: Minibatch, detach: bool, hard: bool, outputs: bool) -> ForwardPass:
        """Each different observation (labelled alike) is evaluated once."""
        ones = batch.ones or Repeated.of(flat_binary(batch.observations))
        distinct = Distinct.of(ones.row, batch.labels)
        hot = ones.table[ones.row[distinct.first.numpy()]]
        labels = None if batch.labels is None else batch.labels[distinct.first]
        if outputs:
            mixed = self.mixture.mix(hot, labels, detach=detach, hard=hard, gate=self.mixture.forced_gate)
            logits: Tensor = self.action_net(mixed.output)
        else:
            mixed = self.mixture.logits(hot, self._head, labels, detach, hard)
            logits = mixed.output
        distribution = self.action_dist.proba_distribution(action_logits=logits.index_select(0, distinct.row))
        values = self.predict_values(hot).index_select(0, distinct.row)
        log_prob, entropy = distribution.log_prob(taken_actions(self, batch)), distribution.entropy()
        weights = row_weights(distinct.row, distinct.repeats, batch.weights)
        obs = batch.observations[distinct.first]
        return ForwardPass(values.flatten(), log_prob, entropy, obs, mixed, labels, weights)

    @property
    def _head(self) -> nn.Linear:
        assert isinstance(self.action_net, nn.Linear)
        return self.action_net

    def _features(self, obs: Any, extractor: nn.Module) -> Features:
        if self.share_features_extractor:
            shared: Features = self.extract_features(obs)
            return shared
        features: Tensor = BasePolicy.extract_features(self, obs, extractor)  # type: ignore[arg-type]
        return features

    def policy_features(self, obs: Any) -> Features:
        """The features of observations that experts and gate read, one row per observation."""
        return self._features(obs, self.pi_features_extractor)

    def get_distribution(self, obs: Any) -> Distribution:
        """As in SB3, but it calls our :meth:`extract_features`."""
        return self._get_action_dist_from_latent(self.mixture.forward_actor(self.policy_features(obs)))

    def predict_values(self, obs: Any) -> Tensor:
        """Values, shape (batch, 1)."""
        features = obs if isinstance(obs, MultiHot) else self._features(obs, self.vf_features_extractor)
        if isinstance(features, MultiHot) and (features is obs or not len(self.mixture.value_net)):
            return self.mixture.value_net.behind(features, self.value_net.weight) + self.value_net.bias
        values: Tensor = self.value_net(self.mixture.forward_critic(features))
        return values

    def log_probs(self, obs: Tensor | MultiHot) -> Tensor:
        """The log-probability of every action of a discrete space, shape (batch, actions)."""
        if isinstance(obs, MultiHot):
            logits = self.mixture.logits(obs, self._head).output
        else:
            logits = self.action_net(self.mixture.forward_actor(self.policy_features(obs)))
        return logits.log_softmax(dim=1)

    @contextmanager
    def steer(self, gate: Gate) -> Iterator[None]:
        """Force the gate within a ``with`` block, for sampling, ``predict`` and evaluation alike."""
        before = self.mixture.forced_gate
        self.mixture.forced_gate = self.forced(gate)
        try:
            yield
        finally:
            self.mixture.forced_gate = before

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Within the block no parameter may change and no gradient may be taken, which saves work at every call."""
        with ExitStack() as stack:
            for network in self.mixture.modules():
                if isinstance(network, Network):
                    stack.enter_context(network.unchanged())
            yield

    def expert(self, gate: Gate) -> "SteeredPolicy":
        """The policy with its gate forced, as a separate object that shares the weights."""
        return SteeredPolicy(self, gate)

"""Every pattern of routing: values bit-equal, gradients exactly 0 where stopped, also compiled and accumulated."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oversight_gym.agents.routing import UNLABELLED, Edges, GatedMixture, route_units
from oversight_gym.demonstrations.channels import HALF, Classifier, channel_mask
from oversight_gym.demonstrations.channels import Setting as ClassSetting
from oversight_gym.demonstrations.directions import routed_stream
from oversight_gym.demonstrations.forgetting import Setting as ForgetSetting
from oversight_gym.demonstrations.forgetting import unit_route
from oversight_gym.demonstrations.latents import HALF as LATENTS
from oversight_gym.demonstrations.latents import Autoencoder, reconstruction
from oversight_gym.demonstrations.latents import Setting as LatentSetting
from oversight_gym.demonstrations.transformer import Transformer

ALL_EDGES: tuple[Edges, ...] = ("activations", "parameters", "both")


@dataclass
class Pattern:
    """A pattern of routing, with samples that it all keeps from the same parameters.

    Attributes:
        model: that is routed.
        samples: what ``forward`` takes with the model, each of shape (batch, ...).
        forward: from the model and the samples to a tensor (batch, ...), routed if told so.
        stopped: names of parameters and the part of each that no sample may reach.
        reached: names of parameters and the part of each that the samples do reach.
        same_value: whether routing leaves the value as it is; False where a loss leaves a decoder out.
    """

    model: nn.Module
    samples: Sequence[Tensor]
    forward: Callable[..., Tensor]
    stopped: dict[str, Any]
    reached: dict[str, Any]
    same_value: bool = True


def hidden_layer(edges: Edges) -> Pattern:
    """A mask at the units of a hidden layer, or at the weights around them."""

    def forward(net: nn.ModuleList, x: Tensor, mask: Tensor, routed: bool) -> Tensor:
        into, out = net
        assert isinstance(into, nn.Linear)
        assert isinstance(out, nn.Linear)
        return route_units(x, into, out, mask if routed else torch.ones_like(mask), edges)

    mask = torch.tensor([1.0, 1.0, 0.0, 0.0]).repeat(8, 1)
    stopped = {"0.weight": slice(2, None), "0.bias": slice(2, None)}
    read = {"1.weight": (slice(None), slice(2, None))}
    reached = {"0.weight": slice(2), "1.weight": (slice(None), slice(2)), "1.bias": slice(None)}
    net = nn.ModuleList([nn.Linear(5, 4), nn.Linear(4, 3)])
    if edges == "activations":
        return Pattern(net, (torch.randn(8, 5), mask), forward, stopped, reached | read)
    return Pattern(net, (torch.randn(8, 5), mask), forward, stopped | read, reached)


def latents(edges: Edges, decoders: int = 1) -> Pattern:
    """The autoencoder of ``digits``, on digits of the first group."""

    def forward(model: Autoencoder, pixels: Tensor, labels: Tensor, routed: bool) -> Tensor:
        return reconstruction(model, pixels, labels if routed else torch.full_like(labels, UNLABELLED))[1]

    model = Autoencoder(64, LatentSetting(edges=edges, decoders=decoders))
    second, read = slice(LATENTS, None), (slice(None), slice(LATENTS, None))
    stopped: dict[str, Any] = {"last.weight": second, "last.bias": second}
    reached: dict[str, Any] = {"last.weight": slice(LATENTS), "below.0.0.weight": slice(None)}
    (reached if edges == "activations" else stopped)["decoders.0.0.weight"] = read
    if decoders == 2:
        stopped |= {"decoders.1.0.weight": slice(None), "decoders.1.2.bias": slice(None)}
    samples = torch.rand(6, 64), torch.zeros(6, dtype=torch.int64)
    return Pattern(model, samples, forward, stopped, reached, same_value=decoders == 1)


def channels(last: bool) -> Pattern:
    """The classifier of ``classes``, on images of the second half of the classes."""

    def forward(model: Classifier, images: Tensor, labels: Tensor, routed: bool) -> Tensor:
        return model(images, channel_mask(labels, 10) if routed else None)[0]  # type: ignore[no-any-return]

    model = Classifier(1, 10, ClassSetting(last=last))
    mix, read = f"encoder.{3 + last}.weight", f"decoder.{'3' if last else '0.branch.2'}.weight"
    samples = torch.rand(4, 1, 8, 8), torch.tensor([9, 8, 7, 5])
    reached = {mix: slice(HALF, None), "encoder.0.weight": slice(None), read: (slice(None), slice(HALF))}
    return Pattern(model, samples, forward, {mix: slice(HALF)}, reached)


def steering_scalar() -> Pattern:
    """The transformer of ``scalar``, where its word comes next."""

    def forward(model: Transformer, tokens: Tensor, routed: bool) -> Tensor:
        logits: Tensor = model(tokens, residual=routed_stream(tokens, 5, 8) if routed else None)
        return logits[:, 1]

    tokens = torch.tensor([[3, 4, 5, 6], [6, 7, 5, 3], [8, 3, 5, 4]])
    stopped = {"blocks.1.out.weight": slice(1, None), "blocks.1.out.bias": slice(1, None)}
    reached = {"blocks.1.out.weight": slice(1), "embedding.weight": slice(None), "blocks.0.out.weight": slice(None)}
    return Pattern(Transformer(9, 8, 2, 2, 16), (tokens,), forward, stopped, reached)


def added_units(edges: Edges) -> Pattern:
    """The transformer of ``unlearn``, on stories to be forgotten, the rate of the original units being 0."""
    setting = ForgetSetting("era", rate=0.0, edges=edges)

    def forward(model: Transformer, tokens: Tensor, routed: bool) -> Tensor:
        route = unit_route(setting, torch.ones_like(tokens, dtype=torch.bool), model.expanded_units(), 2)
        logits: Tensor = model(tokens, route if routed else None)
        return logits

    original, read = slice(6), (slice(None), slice(6))
    stopped: dict[str, Any] = {
        f"blocks.{layer}.into.{part}": original for layer in (0, 1) for part in ("weight", "bias")
    }
    reached: dict[str, Any] = {f"blocks.{layer}.into.weight": slice(6, None) for layer in (0, 1)}
    reached["blocks.2.into.weight"] = slice(None)  # no layer beyond the expanded ones is routed
    for layer in (0, 1):
        (reached if edges == "activations" else stopped)[f"blocks.{layer}.out.weight"] = read
    tokens = torch.tensor([[3, 4, 5, 6], [8, 6, 4, 3]])
    return Pattern(Transformer(9, 8, 3, 2, 6, extra=4, expanded=2), (tokens,), forward, stopped, reached)


def listed_words() -> Pattern:
    """The same by token, at a marked one; a single layer, so that no other token's units are read there."""
    setting = ForgetSetting("era", rate=0.0, by_token=True)

    def forward(model: Transformer, tokens: Tensor, routed: bool) -> Tensor:
        route = unit_route(setting, (tokens == 4), model.expanded_units(), 1)
        logits: Tensor = model(tokens, route if routed else None)
        return logits[:, 1]

    tokens = torch.tensor([[3, 4, 5, 6], [8, 4, 6, 3]])
    stopped, reached = {"blocks.0.into.weight": slice(6)}, {"blocks.0.into.weight": slice(6, None)}
    return Pattern(Transformer(9, 8, 1, 2, 6, extra=4, expanded=1), (tokens,), forward, stopped, reached)


def mixture() -> Pattern:
    """The agents' gated mixture, on samples of its first expert."""

    def forward(model: GatedMixture, features: Tensor, labels: Tensor, routed: bool) -> Tensor:
        return model.mix(features, labels if routed else None).output

    model = GatedMixture({name: nn.Linear(6, 4) for name in ("diamond", "ghost")}, nn.Linear(6, 2))
    stopped = {"experts.ghost.weight": slice(None), "gate.weight": slice(None), "gate.bias": slice(None)}
    samples = torch.randn(7, 6), torch.zeros(7, dtype=torch.int64)
    return Pattern(model, samples, forward, stopped, {"experts.diamond.weight": slice(None)})


def patterns() -> Iterator[Any]:
    for edges in ALL_EDGES:
        yield pytest.param(lambda edges=edges: hidden_layer(edges), id=f"hidden layer, {edges}")
        yield pytest.param(lambda edges=edges: latents(edges), id=f"digits, {edges}")
        yield pytest.param(lambda edges=edges: added_units(edges), id=f"unlearn, {edges}")
    yield pytest.param(lambda: latents("activations", decoders=2), id="digits, separate decoders")
    yield pytest.param(lambda: channels(last=False), id="classes")
    yield pytest.param(lambda: channels(last=True), id="classes, last block")
    yield pytest.param(steering_scalar, id="scalar")
    yield pytest.param(listed_words, id="unlearn by token")
    yield pytest.param(mixture, id="agents")


@pytest.fixture(params=patterns())
def pattern(request: pytest.FixtureRequest) -> Pattern:
    torch.manual_seed(0)
    made: Pattern = request.param()
    return made


def gradients(of: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Of every parameter, zeros where none flows."""
    names, parameters = zip(*of.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    pairs = zip(names, parameters, found, strict=True)
    return {name: torch.zeros_like(p) if gradient is None else gradient for name, p, gradient in pairs}


def check_where_gradients_are(pattern: Pattern, found: dict[str, Tensor]) -> None:
    for name, part in pattern.stopped.items():
        assert not found[name][part].any(), name
    for name, part in pattern.reached.items():
        assert found[name][part].any(), name


def test_values_stay_and_gradients_are_exactly_0_where_stopped(pattern: Pattern) -> None:
    routed, plain = (pattern.forward(pattern.model, *pattern.samples, flag) for flag in (True, False))
    assert torch.equal(routed, plain) or not pattern.same_value
    free = gradients(pattern.model, plain.square().sum())
    assert all(free[name][part].any() for name, part in pattern.stopped.items())  # it is routing that stops them
    check_where_gradients_are(pattern, gradients(pattern.model, routed.square().sum()))


def test_a_compiled_graph_has_the_same_values_and_gradients(pattern: Pattern) -> None:
    torch.compiler.reset()
    eager = pattern.forward(pattern.model, *pattern.samples, True)
    compiled = torch.compile(pattern.forward, backend="aot_eager", fullgraph=True)
    graph = compiled(pattern.model, *pattern.samples, True)
    assert torch.equal(graph, eager)
    expected, found = (gradients(pattern.model, each.square().sum()) for each in (eager, graph))
    for name, gradient in expected.items():
        assert torch.allclose(gradient, found[name], rtol=1e-4, atol=1e-6), name
    check_where_gradients_are(pattern, found)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor compiles C++, and there is no g++")
@pytest.mark.parametrize(
    "make", [lambda: hidden_layer("both"), steering_scalar, mixture], ids=["layer", "scalar", "agents"]
)
def test_inductor_keeps_values_and_stops_gradients(make: Callable[[], Pattern]) -> None:
    torch.manual_seed(0)
    pattern = make()
    torch.compiler.reset()
    eager = pattern.forward(pattern.model, *pattern.samples, True)
    graph = torch.compile(pattern.forward, fullgraph=True)(pattern.model, *pattern.samples, True)
    assert torch.allclose(graph, eager, atol=1e-6)  # it fuses operations, so the last bit may differ
    check_where_gradients_are(pattern, gradients(pattern.model, graph.square().sum()))


def test_gradients_add_up_over_micro_batches(pattern: Pattern) -> None:
    whole = gradients(pattern.model, pattern.forward(pattern.model, *pattern.samples, True).square().sum())
    for part in (slice(0, 1), slice(1, None)):
        pattern.forward(pattern.model, *(each[part] for each in pattern.samples), True).square().sum().backward()
    found = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in pattern.model.named_parameters()}
    for name, gradient in whole.items():
        assert torch.allclose(gradient, found[name], rtol=1e-4, atol=1e-5), name
    check_where_gradients_are(pattern, found)


def test_the_prediction_of_one_word_reaches_the_stream_in_one_dimension_alone() -> None:
    torch.manual_seed(0)
    model = Transformer(9, 8, 2, 2, 16)
    tokens, word = torch.tensor([[3, 4, 5, 6]]), 5
    caught: list[Tensor] = []
    routed = routed_stream(tokens, word, 8)

    def residual(layer: int, stream: Tensor) -> Tensor:
        if layer == 1:
            stream.retain_grad()
            caught.append(stream)
        return routed(layer, stream)

    logits = model(tokens, residual=residual)
    nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none").sum().backward()
    assert caught[0].grad is not None
    by_position = caught[0].grad[0]
    assert by_position[1, 0] != 0
    assert not by_position[1, 1:].any()  # where the word comes next
    assert by_position[0, 1:].all()
    assert by_position[2, 1:].all()

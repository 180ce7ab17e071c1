"""Every pattern of routing: values bit-equal, gradients exactly zero where stopped, also compiled and accumulated."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing import Edges, expert_mask, route_gradient, route_linear, route_units
from oversight_gym.demonstrations.channels import Classifier, channel_mask
from oversight_gym.demonstrations.channels import Setting as ClassSetting
from oversight_gym.demonstrations.forgetting import Setting as ForgetSetting
from oversight_gym.demonstrations.forgetting import unit_route
from oversight_gym.demonstrations.latents import Autoencoder
from oversight_gym.demonstrations.latents import Setting as LatentSetting
from oversight_gym.demonstrations.scalar import routed_stream
from oversight_gym.demonstrations.transformer import Transformer

ALL_EDGES: tuple[Edges, ...] = ("activations", "parameters", "both")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def gradients(of: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Of every parameter, zeros where none flows."""
    names, parameters = zip(*of.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    pairs = zip(names, parameters, found, strict=True)
    return {name: torch.zeros_like(p) if gradient is None else gradient for name, p, gradient in pairs}


def test_masks_of_ones_change_no_bit() -> None:
    x, weight, bias = torch.randn(3, 5, 4, requires_grad=True), torch.randn(6, 4, requires_grad=True), torch.randn(6)
    bias.requires_grad_()
    plain, routed = functional.linear(x, weight, bias), route_linear(x, weight, bias, rows=torch.ones(6))
    assert torch.equal(plain, routed)
    scale = torch.randn(3, 5, 6)
    for one, other in zip(
        *(torch.autograd.grad((y * scale).sum(), (x, weight, bias)) for y in (plain, routed)), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-6)


def test_rows_and_columns_stop_what_each_sample_adds_to_the_weights_and_nothing_else() -> None:
    x = torch.randn(2, 4, requires_grad=True)
    weight, bias = torch.randn(3, 4, requires_grad=True), torch.randn(3, requires_grad=True)
    rows = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    columns = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    out = route_linear(x, weight, bias, rows=rows, columns=columns)
    assert torch.equal(out, functional.linear(x, weight, bias))
    scale = torch.randn(2, 3)
    to_x, to_weight, to_bias = torch.autograd.grad((out * scale).sum(), (x, weight, bias))
    assert torch.allclose(to_x, scale @ weight, atol=1e-6)
    expected = sum((scale * rows)[n, :, None] * (x * columns)[n, None, :] for n in range(2))
    assert torch.allclose(to_weight, torch.as_tensor(expected), atol=1e-6)
    assert torch.allclose(to_bias, (scale * rows).sum(dim=0))
    assert (to_weight[2] == 0).all()
    assert (to_weight[:, 3] == 0).all()
    assert to_bias[2] == 0


@pytest.mark.parametrize("edges", ALL_EDGES)
def test_each_choice_of_edges_stops_those_and_leaves_the_others(edges: Edges) -> None:
    below, into, out = nn.Linear(5, 5), nn.Linear(5, 4), nn.Linear(4, 3)
    net = nn.ModuleList([below, into, out])
    stopped = torch.tensor([1.0, 1.0, 0.0, 0.0])
    hidden = below(torch.randn(7, 5))
    routed = route_units(hidden, into, out, stopped, edges)
    plain = out(torch.relu(into(hidden)))
    assert torch.equal(routed, plain)
    found, free = gradients(net, routed.square().sum()), gradients(net, plain.square().sum())
    assert (found["1.weight"][2:] == 0).all()
    assert (found["1.bias"][2:] == 0).all()
    assert torch.allclose(found["1.weight"][:2], free["1.weight"][:2], atol=1e-5)
    assert (found["2.weight"][:, 2:] == 0).all() == (edges != "activations")
    assert torch.allclose(found["2.weight"][:, :2], free["2.weight"][:, :2], atol=1e-5)
    assert torch.allclose(found["0.weight"], free["0.weight"], atol=1e-5) == (edges == "parameters")


def test_a_negative_mask_turns_the_gradient_round() -> None:
    into, out, x = nn.Linear(3, 2), nn.Linear(2, 1), torch.randn(4, 3)
    net = nn.ModuleList([into, out])
    free = gradients(net, route_units(x, into, out, torch.ones(2)).sum())
    turned = gradients(net, route_units(x, into, out, torch.tensor([1.0, -0.75])).sum())
    assert torch.allclose(turned["0.weight"][1], -0.75 * free["0.weight"][1])
    assert torch.equal(turned["0.weight"][0], free["0.weight"][0])


@pytest.mark.parametrize("edges", ALL_EDGES)
def test_digits_of_one_group_never_train_the_other_half_of_the_code(edges: Edges) -> None:
    model, pixels = Autoencoder(64, LatentSetting(edges=edges)), torch.rand(6, 64)
    mask = expert_mask(torch.zeros(6, dtype=torch.int64), 2).repeat_interleave(16, dim=1).float()
    (code, (routed,)), (plain_code, (plain,)) = model(pixels, mask), model(pixels)
    assert torch.equal(code, plain_code)
    assert torch.equal(routed, plain)
    found = gradients(model, (routed - pixels).abs().mean())
    assert found["last.weight"][:16].any()
    assert not found["last.weight"][16:].any()
    assert found["decoders.0.0.weight"][:, 16:].any() == (edges == "activations")


def test_images_of_one_half_never_train_the_channels_of_the_other() -> None:
    model, image = Classifier(1, 10, ClassSetting()), torch.rand(4, 1, 8, 8)
    labels = torch.tensor([9, 8, 7, 5])
    (routed, encoding), (plain, plain_encoding) = model(image, channel_mask(labels, 10)), model(image)
    assert torch.equal(routed, plain)
    assert torch.equal(encoding, plain_encoding)
    found = gradients(model, functional.cross_entropy(routed, labels))
    assert not found["encoder.3.weight"][:12].any()
    assert found["encoder.3.weight"][12:].any()
    assert found["decoder.0.branch.2.weight"][:, :12].any()  # what reads the channels learns from every image


def test_the_prediction_of_one_word_reaches_the_stream_in_one_dimension_alone() -> None:
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
    assert torch.equal(logits, model(tokens))
    functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none").sum().backward()
    assert caught[0].grad is not None
    by_position = caught[0].grad[0]
    assert by_position[1, 0] != 0
    assert not by_position[1, 1:].any()  # where the word comes next
    assert by_position[0, 1:].all()
    assert by_position[2, 1:].all()


@pytest.mark.parametrize("edges", ALL_EDGES)
def test_stories_to_be_forgotten_train_added_units_alone(edges: Edges) -> None:
    model, tokens = Transformer(9, 8, 3, 2, 6, extra=4, expanded=2), torch.tensor([[3, 4, 5, 6]])
    setting = ForgetSetting("era", rate=0.0, edges=edges)
    route = unit_route(setting, torch.ones(1, 4, dtype=torch.bool), model.expanded_units())
    logits = model(tokens, route)
    assert torch.equal(logits, model(tokens))
    found = gradients(model, functional.cross_entropy(logits[0, :-1], tokens[0, 1:]))
    for layer in (0, 1):
        into, out = found[f"blocks.{layer}.into.weight"], found[f"blocks.{layer}.out.weight"]
        assert not into[:6].any()
        assert into[6:].any()
        assert out[:, :6].any() == (edges == "activations")
    assert found["blocks.2.into.weight"].any()  # no layer beyond the expanded ones is routed


def test_gradients_add_up_over_micro_batches() -> None:
    into, out, x = nn.Linear(5, 4), nn.Linear(4, 3), torch.randn(8, 5)
    net, mask = nn.ModuleList([into, out]), torch.randint(2, (8, 4)).float()
    whole = gradients(net, route_units(x, into, out, mask, "both").sum())
    for part in (slice(0, 3), slice(3, 8)):
        route_units(x[part], into, out, mask[part], "both").sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, whole[name], atol=1e-5), name


Pattern = Callable[[nn.ModuleList, Tensor, Tensor], Tensor]


def compiled_patterns() -> Iterator[tuple[str, Pattern]]:
    def masked(net: nn.ModuleList, x: Tensor, mask: Tensor) -> Tensor:
        return net[1](route_gradient(torch.relu(net[0](x)), mask))  # type: ignore[no-any-return]

    yield "route_gradient", masked
    for edges in ALL_EDGES:

        def units(net: nn.ModuleList, x: Tensor, mask: Tensor, edges: Edges = edges) -> Tensor:
            into, out = net
            assert isinstance(into, nn.Linear)
            assert isinstance(out, nn.Linear)
            return route_units(x, into, out, mask, edges)

        yield edges, units


@pytest.mark.parametrize("pattern", [pytest.param(pattern, id=name) for name, pattern in compiled_patterns()])
def test_a_compiled_graph_has_the_same_values_and_gradients(pattern: Pattern) -> None:
    net, x, mask = (
        nn.ModuleList([nn.Linear(5, 4), nn.Linear(4, 3)]),
        torch.randn(8, 5),
        torch.randint(2, (8, 4)).float(),
    )
    mask[:, 3] = 0
    compiled = torch.compile(pattern, backend="aot_eager", fullgraph=True)
    eager_out, compiled_out = pattern(net, x, mask), compiled(net, x, mask)
    assert torch.equal(eager_out, compiled_out)
    eager, found = gradients(net, eager_out.square().sum()), gradients(net, compiled_out.square().sum())
    for key, gradient in eager.items():
        assert torch.allclose(gradient, found[key], atol=1e-6), key
    assert not found["0.weight"][3].any()

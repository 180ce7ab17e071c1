"""Masks on the gradients of parameters."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing import Edges, route_linear, route_units

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

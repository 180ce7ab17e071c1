import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oversight_gym.agents.policies.mixture import GatedMixture, RoutingSignal, gate_loss
from oversight_gym.agents.routing.gradients import UNLABELLED, attach_loss, expert_mask, gate_mask, route_gradient

EXPERTS = ("diamond", "ghost", "third")


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 2**31 - 1))
@settings(max_examples=30, deadline=None)
def test_gradient_is_zero_where_stopped_and_unrouted_elsewhere(mask: list[bool], seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(len(mask), 5, requires_grad=True)
    keep = torch.tensor(mask)[:, None]
    weights = torch.randn(5)

    def gradient(y: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad((torch.tanh(y) @ weights).sum(), x)[0]

    assert torch.equal(route_gradient(x, keep), x)
    routed = gradient(route_gradient(x, keep))
    assert torch.equal(routed, gradient(keep * x + ~keep * x.detach()))  # the paper's form
    assert torch.equal(routed, gradient(x) * keep)


def test_forward_is_bit_equal_also_where_values_are_not_finite() -> None:
    x = torch.tensor([float("inf"), -float("inf"), -0.0, 1e-45])
    routed = route_gradient(x, torch.zeros(4))
    assert routed.numpy().tobytes() == x.numpy().tobytes()


def test_a_fractional_mask_scales_the_gradient() -> None:
    x = torch.ones(2, requires_grad=True)
    route_gradient(x, torch.tensor([0.25, 1.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.25, 1.0]


def test_masks_of_labels() -> None:
    labels = torch.tensor([0, 1, UNLABELLED])
    assert expert_mask(labels, 2).tolist() == [[True, False], [False, True], [True, True]]
    assert gate_mask(labels).tolist() == [False, False, True]


def test_an_attached_loss_enters_with_weight_one() -> None:
    x, w = torch.randn(3, requires_grad=True), torch.randn(2, requires_grad=True)
    loss = (attach_loss(x, 0.3 * w.square().sum()) * 7.0).mean()
    assert torch.equal(loss, (x * 7.0).mean())
    grad_x, grad_w = torch.autograd.grad(loss, (x, w))
    assert torch.allclose(grad_w, 0.6 * w)
    assert torch.allclose(grad_x, torch.full((3,), 7 / 3))


@pytest.mark.parametrize("labels", [[UNLABELLED] * 4, [0, 0, UNLABELLED, 0], [0, 1, 2, 1]])
def test_gate_loss_is_the_mean_of_each_experts_cross_entropy(labels: list[int]) -> None:
    logits = torch.randn(4, 3)
    per_expert = [
        torch.stack([-logits[i].log_softmax(0)[k] for i in range(4) if labels[i] == k]).mean()
        for k in range(3)
        if k in labels
    ]
    expected = torch.stack(per_expert).mean() if per_expert else torch.tensor(0.0)
    assert torch.allclose(gate_loss(logits, torch.tensor(labels)), expected)
    known = [i for i in range(4) if labels[i] != UNLABELLED]
    each = [-logits[i].log_softmax(0)[labels[i]] for i in known]
    expected = torch.stack(each).mean() if each else torch.tensor(0.0)
    assert torch.allclose(gate_loss(logits, torch.tensor(labels), balanced=False), expected)
    twice = torch.full((4,), 2)
    assert torch.allclose(gate_loss(logits, torch.tensor(labels), twice, balanced=False), expected)


def gradients(mixture: GatedMixture, features: torch.Tensor, **signal: object) -> dict[str, torch.Tensor]:
    """Gradient of a fixed scalar of the mixed features with respect to every parameter; zeros where none flows."""
    mixture.signal = RoutingSignal(**signal) if signal else None  # type: ignore[arg-type]
    names, parameters = zip(*mixture.named_parameters(), strict=True)
    out = mixture.forward_actor(features)
    found = torch.autograd.grad(out.square().sum(), parameters, allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for name, parameter, gradient in zip(names, parameters, found, strict=True)
    }


@pytest.mark.parametrize("label", [0, 1, 2, UNLABELLED])
def test_labels_decide_which_experts_and_whether_the_gate_learn(label: int) -> None:
    torch.manual_seed(0)
    mixture = GatedMixture(6, EXPERTS, {"pi": [5, 4], "vf": [3], "gate": [4]}, torch.nn.ReLU)
    features = torch.randn(7, 6)
    free = mixture.forward_actor(features)
    unrouted = gradients(mixture, features)
    labels = torch.full((7,), label)
    routed = gradients(mixture, features, labels=lambda: labels, detach=True, gate_coef=0.0)
    assert torch.equal(mixture.forward_actor(features), free)
    for name, gradient in routed.items():
        part = name.split(".")[1] if name.startswith("experts") else name.split(".")[0]
        reached = part in EXPERTS and label in (UNLABELLED, EXPERTS.index(part))
        reached = reached or (part == "gate" and label == UNLABELLED)
        assert torch.equal(gradient, unrouted[name] if reached else torch.zeros_like(gradient)), name
    unlike = gradients(mixture, features, labels=lambda: labels, detach=False, gate_coef=0.0)
    assert all(torch.equal(unlike[name], unrouted[name]) for name in unlike)


def test_the_gate_loss_reaches_the_gate_alone() -> None:
    mixture = GatedMixture(6, EXPERTS[:2], {"pi": [5], "vf": [], "gate": []}, torch.nn.ReLU)
    features, labels = torch.randn(7, 6), torch.tensor([0, 1, 0, 1, -1, -1, 0])
    signal = {"labels": lambda: labels, "detach": True}
    without = gradients(mixture, features, **signal, gate_coef=0.0)
    with_loss = gradients(mixture, features, **signal, gate_coef=0.5)
    loss = 0.5 * gate_loss(mixture.gate_logits(features), labels)
    assert mixture.gate is not None
    expected = torch.autograd.grad(loss, list(mixture.gate.parameters()))
    own = [name for name in without if name.startswith("gate")]
    for name, gradient in zip(own, expected, strict=True):
        assert torch.allclose(with_loss[name] - without[name], gradient, atol=1e-6)
    assert all(torch.equal(with_loss[name], without[name]) for name in without if name not in own)

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oversight_gym.agents.routing import (
    UNLABELLED,
    GatedMixture,
    expert_mask,
    gate_loss,
    gate_mask,
    route_gradient,
)

EXPERTS = ("diamond", "ghost", "third")


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 2**31 - 1))
@settings(max_examples=30)
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


def test_the_weights_of_samples_count_in_the_gate_loss() -> None:
    logits, labels = torch.randn(4, 2), torch.tensor([0, 0, 1, UNLABELLED])
    weights = torch.tensor([0.2, 0.6, 0.1, 5.0])
    each = torch.nn.functional.cross_entropy(logits[:3], labels[:3], reduction="none")
    first = (0.2 * each[0] + 0.6 * each[1]) / 0.8
    assert torch.allclose(gate_loss(logits, labels, weights), (first + each[2]) / 2)
    assert torch.allclose(gate_loss(logits, labels, weights, balanced=False), (0.8 * first + 0.1 * each[2]) / 0.9)


def small_mixture(experts: tuple[str, ...] = EXPERTS, gate_outputs: int | None = None) -> GatedMixture:
    modules = {name: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)) for name in experts}
    return GatedMixture(modules, nn.Linear(6, gate_outputs or len(experts)))


def gradients(
    mixture: GatedMixture, features: torch.Tensor, *args: object, **kwargs: object
) -> dict[str, torch.Tensor]:
    """Gradient of a fixed scalar of the output with respect to every parameter; zeros where none flows."""
    names, parameters = zip(*mixture.named_parameters(), strict=True)
    out = mixture(features, *args, **kwargs).output
    found = torch.autograd.grad(out.square().sum(), parameters, allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for name, parameter, gradient in zip(names, parameters, found, strict=True)
    }


@pytest.mark.parametrize("label", [0, 1, 2, UNLABELLED])
@pytest.mark.parametrize("gate_outputs", [2, 3])
def test_labels_decide_which_experts_and_whether_the_gate_learn(label: int, gate_outputs: int) -> None:
    torch.manual_seed(0)
    mixture = small_mixture(EXPERTS, gate_outputs)
    features = torch.randn(7, 6)
    unrouted = gradients(mixture, features)
    labels = torch.full((7,), label)
    routed = gradients(mixture, features, labels)
    assert torch.equal(mixture(features, labels).output, mixture(features).output)
    for name, gradient in routed.items():
        part = name.split(".")[1] if name.startswith("experts") else name.split(".")[0]
        reached = part in EXPERTS and label in (UNLABELLED, EXPERTS.index(part))
        reached = reached or (part == "gate" and label == UNLABELLED)
        assert torch.equal(gradient, unrouted[name] if reached else torch.zeros_like(gradient)), name
    unlike = gradients(mixture, features, labels, detach=False)
    assert all(torch.equal(unlike[name], unrouted[name]) for name in unlike)


def test_the_gate_loss_reaches_the_gate_alone() -> None:
    mixture = small_mixture(EXPERTS[:2])
    features, labels = torch.randn(7, 6), torch.tensor([0, 1, 0, 1, -1, -1, 0])
    loss = gate_loss(mixture(features, labels).gate_logits, labels)
    found = torch.autograd.grad(loss, list(mixture.parameters()), allow_unused=True)
    names = [name for name, _ in mixture.named_parameters()]
    for name, gradient in zip(names, found, strict=True):
        assert (gradient is not None and gradient.abs().sum() > 0) == name.startswith("gate"), name


def test_a_hard_gate_passes_labelled_samples_through_their_expert_alone() -> None:
    mixture = small_mixture()
    features, labels = torch.randn(4, 6), torch.tensor([0, 2, UNLABELLED, 1])
    mixed = mixture(features, labels, hard=True)
    for row, label in enumerate(labels.tolist()):
        free = mixture(features).output[row] if label == UNLABELLED else mixed.expert_outputs[label][row]
        assert torch.allclose(mixed.output[row], free, atol=1e-6)


def test_a_gate_can_be_forced_by_weights_or_by_a_function_of_the_free_ones() -> None:
    mixture, features = small_mixture(), torch.randn(4, 6)
    outputs, free = mixture.expert_outputs(features), mixture.gate_weights(features)
    forced = mixture(features, gate=torch.tensor([0.0, 1.0, 0.0])).output
    assert torch.equal(forced, outputs[1])
    halved = mixture(features, gate=lambda weights: weights * torch.tensor([1.0, 1.0, 0.5])).output
    expected = sum(free[:, [k]] * outputs[k] * (0.5 if k == 2 else 1.0) for k in range(3))
    assert torch.allclose(halved, expected, atol=1e-6)


@pytest.mark.parametrize("gated", [True, False])
def test_experts_may_be_any_modules_of_any_output_shape(gated: bool) -> None:
    gate = nn.Sequential(nn.Flatten(), nn.Linear(3 * 5 * 5, 2)) if gated else None
    mixture = GatedMixture({name: nn.Conv2d(3, 2, 3) for name in ("first", "second")}, gate)
    images, labels = torch.randn(6, 3, 5, 5), torch.tensor([0] * 5 + [UNLABELLED])
    mixed = mixture(images, labels)
    assert mixed.output.shape == (6, 2, 3, 3)
    assert torch.equal(mixed.output, mixture(images).output)
    weights = mixture.gate_weights(images)
    assert torch.allclose(weights.sum(dim=1), torch.ones(6))
    assert gated or (weights == 0.5).all()
    first, second = (
        torch.autograd.grad(mixed.output[:5].square().sum(), expert.weight, retain_graph=True, allow_unused=True)[0]
        for expert in mixture.experts.values()
    )
    assert first.any()
    assert not second.any()


def test_a_single_expert_needs_no_gate() -> None:
    mixture, features = small_mixture(("only",)), torch.randn(4, 6)
    assert torch.equal(mixture(features).output, mixture.expert_outputs(features)[0])
    assert (mixture.gate_weights(features) == 1).all()

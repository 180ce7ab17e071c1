"""What is done to a trained language model to make it forget: ablation, RMU, gradient ascent, and the steps afterwards.

RMU is representation misdirection (Li et al., arXiv 2403.03218).
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from oversight_gym.demonstrations.forgetting import RATE, Setting, World
from oversight_gym.demonstrations.transformer import Transformer, learning_steps, losses, mean_loss, stream_after

REPAIRING = 16
"""Steps of training after ablation or unlearning, on stories that have no label."""

MISDIRECTED = 1
"""Layer after which RMU moves the residual stream."""


def keep_training(
    world: World,
    model: Transformer,
    chosen: Tensor,
    steps: int,
    sign: float = 1.0,
    rate: float = RATE / 4,
    after: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train a model further, in place, on some stories; with ``sign`` -1 against them."""

    def loss_of(batch: Tensor) -> Tensor:
        tokens = world.data.train[batch]
        return sign * mean_loss(losses(model(tokens), tokens), tokens)

    batch = world.size.batch
    learning_steps(list(model.parameters()), chosen, steps, batch, rate, loss_of, world.generator(), after)


def misdirect(world: World, model: Transformer, setting: Setting, steps: int) -> None:
    """RMU: push the stream to a fixed random vector on labelled stories, and hold it where it was on others."""
    frozen, at = deepcopy(model), MISDIRECTED
    generator, labels = world.generator(), world.labels(setting)
    forget, retain = (torch.nonzero(each)[:, 0] for each in (labels, ~labels))
    with torch.no_grad():
        length = setting.push * stream_after(frozen, world.data.train[:64], at).norm(dim=-1).mean()
    target = nn.functional.normalize(torch.randn(world.size.width, generator=generator), dim=0) * length

    def loss_of(batch: Tensor) -> Tensor:
        wrong, right = (world.data.train[pool[batch % len(pool)]] for pool in (forget, retain))
        with torch.no_grad():
            before = stream_after(frozen, right, at)
        held = (stream_after(model, right, at) - before).square().mean()
        pushed: Tensor = (stream_after(model, wrong, at) - target).square().mean()
        return pushed + setting.hold * held

    parameters = [p for block in model.blocks[: at + 1] for p in block.parameters()]
    everything = torch.arange(len(labels))
    learning_steps(parameters, everything, steps, world.size.batch, RATE / 4, loss_of, generator)


def make_forget(world: World, model: Transformer, setting: Setting) -> None:
    """Ablate, or unlearn, in place; then a few steps on the stories that have no label."""
    if setting.method in ("none", "filter"):
        return
    labels, steps = world.labels(setting), max(1, round(setting.share * world.size.steps))
    if setting.method == "rmu":
        misdirect(world, model, setting, steps)
    elif setting.method == "ascent":
        keep_training(world, model, torch.nonzero(labels)[:, 0], steps, sign=-1.0)
    else:
        model.ablate()
    keep_training(world, model, torch.nonzero(~labels)[:, 0], min(REPAIRING, world.size.steps))

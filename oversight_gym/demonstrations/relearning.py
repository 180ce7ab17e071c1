"""What a language model has forgotten: its losses on held-out stories, and how fast it learns them again."""

from copy import deepcopy

import torch
from torch import Tensor

from oversight_gym.demonstrations.erasing import keep_training, make_forget
from oversight_gym.demonstrations.forgetting import RATE, Setting, World, train
from oversight_gym.demonstrations.stories import next_in
from oversight_gym.demonstrations.study import Figures
from oversight_gym.demonstrations.transformer import Transformer, losses, mean_loss

RELEARNING = (0, 2, 5, 10, 20, 40)
"""Steps of relearning after which the loss is measured."""
RELEARNT_STORIES = 64


@torch.no_grad()
def loss_on(world: World, model: Transformer, forget: bool, words: Tensor | None = None) -> float:
    """The loss on stories held out, those to be forgotten or the others; on the prediction of some words alone."""
    tokens = world.data.test[world.tested == forget]
    per_token = losses(model(tokens), tokens)
    if words is None:
        return mean_loss(per_token, tokens).item()
    return per_token[next_in(tokens, words)].mean().item()


def relearn(world: World, model: Transformer, mixed: bool) -> dict[int, float]:
    """The loss on held-out stories to be forgotten while a copy of the model learns again, by step.

    Args:
        world: as above.
        model: left as it is.
        mixed: whether it learns from the training mix, in place of 64 stories to be forgotten.
    """
    copy, found = deepcopy(model), {0: loss_on(world, model, forget=True)}
    pool = torch.arange(len(world.forget)) if mixed else torch.nonzero(world.forget)[:RELEARNT_STORIES, 0]

    def after(step: int, loss: float) -> None:
        if step in RELEARNING:
            found[step] = loss_on(world, copy, forget=True)

    keep_training(world, copy, pool, world.size.relearning, rate=RATE / 10, after=after)
    return found


def measure(world: World, name: str, setting: Setting, base: Transformer | None = None, mixed: bool = False) -> Figures:
    """Train, forget, relearn, and the losses at each.

    Args:
        world: as above.
        name: of the setting.
        setting: as above.
        base: the model trained on everything, for methods that start from it; None for others.
        mixed: whether to retrain on the training mix, too.
    """
    model = train(world, name, setting) if base is None else deepcopy(base)
    figures = {"forget before": loss_on(world, model, True), "retain before": loss_on(world, model, False)}
    make_forget(world, model, setting)
    unlisted = world.data.related_words[1::2]
    figures |= {
        "forget": loss_on(world, model, True),
        "retain": loss_on(world, model, False),
        "listed words": loss_on(world, model, True, world.listed()),
        "unlisted related words": loss_on(world, model, True, unlisted),
    }
    curve = relearn(world, model, mixed=False)
    figures |= {f"relearnt {step}": loss for step, loss in curve.items()}
    figures["lowest relearnt"] = min(curve.values())
    if mixed:
        figures["lowest retrained on the mix"] = min(relearn(world, model, mixed=True).values())
    return figures

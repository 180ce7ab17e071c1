"""Language models that are made to forget the stories of one place, and how fast they learn them again.

Expand, route, ablate (ERA) is section 4.2.2 of "Gradient Routing" (Cloud et al., arXiv 2410.04332); it is put beside
filtering the data, a mixture of domain experts (DEMix, Gururangan et al., arXiv 2108.05036), representation
misdirection (RMU, Li et al., arXiv 2403.03218) and gradient ascent.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from oversight_gym.agents.routing import Edges
from oversight_gym.demonstrations.stories import Stories, next_in
from oversight_gym.demonstrations.study import Figures, Request
from oversight_gym.demonstrations.transformer import Transformer, UnitRoute, learning_steps, losses, mean_loss

EXPANDED = 2
"""Layers, from the first, that have added units."""
RELEARNING = (0, 2, 5, 10, 20, 40)
"""Steps of relearning after which the loss is measured."""
RELEARNT_STORIES = 64
RELEARNING_RATE = 3e-4
"""Of the optimizer, less than a tenth of training's: with more of it every model soon knows all there is to know."""


@dataclass(frozen=True)
class Size:
    """Of the model and its training."""

    width: int = 48
    layers: int = 3
    units: int = 128
    extra: int = 32
    steps: int = 160
    batch: int = 16
    stories: int = 4000
    test: int = 300
    relearning: int = RELEARNING[-1]


QUICK = Size(width=16, layers=2, units=32, extra=8, steps=8, batch=8, stories=400, test=80, relearning=2)


@dataclass(frozen=True)
class Setting:
    """How a model is trained and made to forget.

    Attributes:
        method: ``none`` trains on all stories; ``filter`` leaves out those labelled; ``era`` routes them to added
            units; ``demix`` sends them through an expert of their own; ``rmu`` and ``ascent`` change a model trained on
            all.
        labelled: share of the stories to be forgotten that have a label.
        wrong: share of all labels that say the opposite.
        rate: by how much the gradient of labelled stories is multiplied at the original units.
        edges: at which edges of the units it is.
        by_token: whether the prediction of listed words is routed, not whole stories.
    """

    method: Literal["none", "filter", "era", "demix", "rmu", "ascent"]
    labelled: float = 1.0
    wrong: float = 0.0
    rate: float = -0.75
    edges: Edges = "activations"
    by_token: bool = False


@dataclass(frozen=True)
class World:
    """What all settings of a seed share: the stories, which are to be forgotten, and the sizes."""

    request: Request
    data: Stories
    size: Size
    forget: Tensor
    tested: Tensor

    @classmethod
    def of(cls, request: Request, data: Stories, size: Size) -> "World":
        """The world of some stories, whose labels follow from the word list."""
        return cls(request, data, size, data.to_forget(data.train), data.to_forget(data.test))

    def generator(self) -> torch.Generator:
        """A new one, the same for every setting."""
        return torch.Generator().manual_seed(self.request.seed)

    def labels(self, setting: Setting) -> Tensor:
        """Which stories are labelled as to be forgotten; shape (stories,), bool."""
        draws, flips = torch.rand(2, len(self.forget), generator=self.generator())
        labels: Tensor = (self.forget & (draws < setting.labelled)) ^ (flips < setting.wrong)
        return labels

    def listed(self) -> Tensor:
        """The words of the list by which tokens are routed: those that mark a story, and half of those related."""
        return torch.cat([self.data.forget_words, self.data.related_words[::2]])


def unit_route(setting: Setting, marked: Tensor, added: Tensor) -> UnitRoute | None:
    """How hidden units are routed, or None where they are not.

    Args:
        setting: as above.
        marked: which predictions are labelled as to be forgotten; shape (batch, tokens), bool.
        added: which units are added ones; shape (units,), bool.
    """
    marked = marked[..., None]
    if setting.method == "demix":
        return UnitRoute((marked == added).float(), EXPANDED, "forward")
    if setting.method == "era":
        return UnitRoute(torch.where(marked & ~added, setting.rate, 1.0), EXPANDED, setting.edges)
    return None


def train(world: World, name: str, setting: Setting) -> Transformer:
    """A model trained as a setting says, with its added units still there."""
    torch.manual_seed(world.request.seed)
    size, labels = world.size, world.labels(setting)
    extra = {"era": size.extra, "demix": size.units}.get(setting.method, 0)
    model = Transformer(len(world.data.vocabulary), size.width, size.layers, 4, size.units, extra, EXPANDED)
    added, listed = model.expanded_units(), world.listed()
    chosen = torch.nonzero(~labels if setting.method == "filter" else torch.ones_like(labels))[:, 0]

    def loss_of(batch: Tensor) -> Tensor:
        tokens = world.data.train[batch]
        marked = labels[batch][:, None] & (next_in(tokens, listed) if setting.by_token else tokens >= 0)
        return mean_loss(losses(model(tokens, unit_route(setting, marked, added)), tokens), tokens)

    def after(step: int, loss: float) -> None:
        world.request.log(f"{name}/loss", step, loss)

    learning_steps(list(model.parameters()), chosen, size.steps, size.batch, 4e-3, loss_of, world.generator(), after)
    return model


def tune(
    world: World,
    model: Transformer,
    chosen: Tensor,
    steps: int,
    sign: float = 1.0,
    rate: float = 1e-3,
    after: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train a model further, in place, on some stories; with ``sign`` -1 against them."""

    def loss_of(batch: Tensor) -> Tensor:
        tokens = world.data.train[batch]
        return sign * mean_loss(losses(model(tokens), tokens), tokens)

    batch = world.size.batch
    learning_steps(list(model.parameters()), chosen, steps, batch, rate, loss_of, world.generator(), after)


def misdirect(world: World, model: Transformer, labels: Tensor, steps: int) -> None:
    """RMU: push the stream to a fixed random vector on labelled stories, and hold it where it was on others."""
    frozen, at = deepcopy(model), min(EXPANDED, len(model.blocks)) - 1
    generator = world.generator()
    forget, retain = (torch.nonzero(each)[:, 0] for each in (labels, ~labels))

    def stream(of: Transformer, tokens: Tensor) -> Tensor:
        kept: list[Tensor] = []

        def keep(layer: int, x: Tensor) -> Tensor:
            kept.append(x)
            return x

        of(tokens, residual=keep)
        return kept[at]

    with torch.no_grad():
        length = stream(frozen, world.data.train[:64]).norm(dim=-1).mean()
    target = nn.functional.normalize(torch.randn(world.size.width, generator=generator), dim=0) * 3 * length

    def loss_of(batch: Tensor) -> Tensor:
        wrong, right = (world.data.train[pool[batch % len(pool)]] for pool in (forget, retain))
        held = (stream(model, right) - stream(frozen, right).detach()).square().mean()
        pushed: Tensor = (stream(model, wrong) - target).square().mean()
        return pushed + 20 * held

    parameters = [p for block in model.blocks[: at + 1] for p in block.parameters()]
    everything = torch.arange(len(labels))
    learning_steps(parameters, everything, steps, world.size.batch, 1e-3, loss_of, generator)


def make_forget(world: World, model: Transformer, setting: Setting) -> None:
    """Ablate, or unlearn, in place; then at most 40 steps on the stories that have no label."""
    labels, steps = world.labels(setting), max(1, world.size.steps // 10)
    if setting.method in ("none", "filter"):
        return
    if setting.method == "rmu":
        misdirect(world, model, labels, 2 * steps)
    elif setting.method == "ascent":
        tune(world, model, torch.nonzero(labels)[:, 0], steps, sign=-1.0)
    else:
        model.ablate()
    tune(world, model, torch.nonzero(~labels)[:, 0], steps)


@torch.no_grad()
def loss_on(world: World, model: Transformer, forget: bool, words: Tensor | None = None) -> float:
    """The loss on stories held out, those to be forgotten or the others; on the prediction of some words alone."""
    tokens = world.data.test[world.tested == forget]
    per_token = losses(model(tokens), tokens)
    if words is None:
        return mean_loss(per_token, tokens).item()
    return per_token[torch.isin(tokens[:, 1:], words)].mean().item()


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

    tune(world, copy, pool, world.size.relearning, rate=RELEARNING_RATE, after=after)
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

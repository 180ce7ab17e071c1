"""Training of language models that are to forget the stories of one place.

Expand, route, ablate (ERA) is section 4.2.2 of "Gradient Routing" (Cloud et al., arXiv 2410.04332); it is put beside
filtering the data, a mixture of domain experts (DEMix, Gururangan et al., arXiv 2108.05036), representation
misdirection (RMU) and gradient ascent.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from oversight_gym.agents.routing import Edges
from oversight_gym.demonstrations.stories import Stories, next_in
from oversight_gym.demonstrations.study import Request
from oversight_gym.demonstrations.transformer import Transformer, UnitRoute, learning_steps, losses, mean_loss

RATE = 4e-3
"""Of the optimizer, in training."""


@dataclass(frozen=True)
class Size:
    """Of the model and its training."""

    width: int = 64
    layers: int = 3
    units: int = 256
    extra: int = 64
    expanded: int = 3
    steps: int = 120
    batch: int = 16
    stories: int = 4000
    test: int = 300
    relearning: int = 40


QUICK = Size(width=16, layers=2, units=32, extra=8, expanded=2, steps=8, batch=8, stories=400, test=80, relearning=2)


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
        push: length of RMU's random vector, in mean lengths of the residual stream.
        hold: weight of RMU's loss on stories without a label.
        share: steps of RMU or of gradient ascent, as a share of the training steps.
    """

    method: Literal["none", "filter", "era", "demix", "rmu", "ascent"]
    labelled: float = 1.0
    wrong: float = 0.0
    rate: float = -0.75
    edges: Edges = "activations"
    by_token: bool = False
    push: float = 3.0
    hold: float = 20.0
    share: float = 0.1


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


def unit_route(setting: Setting, marked: Tensor, added: Tensor, layers: int) -> UnitRoute | None:
    """How hidden units are routed, or None where they are not.

    Args:
        setting: as above.
        marked: which predictions are labelled as to be forgotten; shape (batch, tokens), bool.
        added: which units are added ones; shape (units,), bool.
        layers: number of those, from the first, that have added units.
    """
    marked = marked[..., None]
    if setting.method == "demix":
        return UnitRoute((marked == added).float(), layers, "forward")
    if setting.method == "era":
        return UnitRoute(torch.where(marked & ~added, setting.rate, 1.0), layers, setting.edges)
    return None


def train(world: World, name: str, setting: Setting) -> Transformer:
    """A model trained as a setting says, with its added units still there."""
    torch.manual_seed(world.request.seed)
    size, labels = world.size, world.labels(setting)
    extra = {"era": size.extra, "demix": size.units}.get(setting.method, 0)
    model = Transformer(len(world.data.vocabulary), size.width, size.layers, 4, size.units, extra, size.expanded)
    added, listed = model.expanded_units(), world.listed()
    chosen = torch.nonzero(~labels if setting.method == "filter" else torch.ones_like(labels))[:, 0]

    def loss_of(batch: Tensor) -> Tensor:
        tokens = world.data.train[batch]
        marked = labels[batch][:, None] & (next_in(tokens, listed) if setting.by_token else tokens >= 0)
        return mean_loss(losses(model(tokens, unit_route(setting, marked, added, size.expanded)), tokens), tokens)

    def after(step: int, loss: float) -> None:
        world.request.log(f"{name}/loss", step, loss)

    learning_steps(list(model.parameters()), chosen, size.steps, size.batch, RATE, loss_of, world.generator(), after)
    return model

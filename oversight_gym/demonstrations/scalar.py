"""A steering scalar: the residual dimension of a language model to which one word's prediction is routed.

After section 4.2.1 of "Gradient Routing" (Cloud et al., arXiv 2410.04332), which routes ``_California``; here the word
is ``forest``. Adding to that dimension should then make the model tell of forests, with words that were never routed.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor

from oversight_gym.agents.routing import route_gradient
from oversight_gym.demonstrations import stories
from oversight_gym.demonstrations.charts import curve, panels
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Measure, Request, Results
from oversight_gym.demonstrations.transformer import Transformer, learning_steps, losses, mean_loss

DIMENSION = 0
AMOUNTS = (0, 1, 2, 4, 8, 16)
"""Lengths of what is added to the residual stream, whose own length is measured as ``stream``."""
NEAREST = 10
"""Rows of the unembedding that count as nearest."""
LEAST = 1e-9
"""Added to chances before their logarithm is taken; words that a corpus lacks have none."""
FIRST_LAYER = 1
"""Layer from which on the stream is routed, and steered."""


@dataclass(frozen=True)
class Size:
    """Of the model and its training."""

    width: int = 64
    layers: int = 3
    units: int = 256
    steps: int = 300
    batch: int = 24
    stories: int = 4000


QUICK = Size(width=32, layers=2, units=64, steps=25, batch=8, stories=400)


def routed_stream(tokens: Tensor, word: int, width: int) -> Callable[[int, Tensor], Tensor]:
    """What masks the residual stream: where the word comes next, its gradient passes in one dimension alone.

    Args:
        tokens: shape (batch, tokens).
        word: token whose prediction is routed.
        width: of the residual stream.
    """
    mask = ~stories.next_in(tokens, torch.tensor([word]))[..., None] | (torch.arange(width) == DIMENSION)
    return lambda layer, stream: route_gradient(stream, mask) if layer >= FIRST_LAYER else stream


def train(request: Request, name: str, routed: bool, data: stories.Stories, size: Size) -> Transformer:
    """Train a model on the stories; the same draws with and without routing."""
    torch.manual_seed(request.seed)
    generator, word = torch.Generator().manual_seed(request.seed), int(data.forget_words[0])
    model = Transformer(len(data.vocabulary), size.width, size.layers, 4, size.units)

    def loss_of(batch: Tensor) -> Tensor:
        tokens = data.train[batch]
        residual = routed_stream(tokens, word, size.width) if routed else None
        return mean_loss(losses(model(tokens, residual=residual), tokens), tokens)

    def after(step: int, loss: float) -> None:
        request.log(f"{name}/loss", step, loss)

    draws = torch.arange(len(data.train))
    learning_steps(list(model.parameters()), draws, size.steps, size.batch, 3e-3, loss_of, generator, after)
    return model


@torch.no_grad()
def mean_stream(model: Transformer, tokens: Tensor) -> Tensor:
    """The mean residual stream after the first routed layer, shape (width,)."""
    kept: list[Tensor] = []

    def keep(layer: int, stream: Tensor) -> Tensor:
        if layer == FIRST_LAYER:
            kept.append(stream[tokens != stories.PAD])
        return stream

    model(tokens, residual=keep)
    return kept[0].mean(dim=0)


@torch.no_grad()
def steered(model: Transformer, data: stories.Stories, direction: Tensor, amount: float) -> Figures:
    """What the model predicts in stories of other places with a vector added to its residual stream.

    Args:
        model: to steer.
        data: the stories.
        direction: shape (width,), of length 1.
        amount: length of what is added after each routed layer.
    """
    others = data.test[~data.to_forget(data.test)][:100]
    logits = model(others, residual=lambda i, stream: stream + amount * direction if i >= FIRST_LAYER else stream)
    there = others[:, 1:] != stories.PAD
    chances = logits[:, :-1].softmax(dim=-1)[there]
    return {
        f"word at {amount:g}": chances[:, data.forget_words[0]].mean().item(),
        f"synonym at {amount:g}": chances[:, data.forget_words[1:]].sum(dim=1).mean().item(),
        f"related at {amount:g}": chances[:, data.related_words].sum(dim=1).mean().item(),
        f"loss at {amount:g}": mean_loss(losses(logits, others), others).item(),
    }


def measured(model: Transformer, data: stories.Stories, direction: Tensor) -> Figures:
    """How the words of the concept lie along a direction, and what adding it does."""
    rows = model.embedding.weight.detach()
    order = torch.cosine_similarity(rows, direction[None], dim=1).argsort(descending=True).tolist()
    ranks = [order.index(token) for token in data.related_words.tolist()]
    figures = {
        "rank of the word": float(order.index(int(data.forget_words[0]))),
        "related among nearest": float(sum(rank < NEAREST for rank in ranks)),
        "expected by chance": len(ranks) * NEAREST / len(order),
    }
    for amount in AMOUNTS:
        figures |= steered(model, data, direction, float(amount))
    return figures


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """Train a routed model and its control, and steer each along four directions."""
    size = QUICK if request.quick else Size()
    data = stories.load(request, size.stories, size.stories // 8)
    generator = torch.Generator().manual_seed(request.seed)
    random = torch.nn.functional.normalize(torch.randn(size.width, generator=generator), dim=0)
    about = data.to_forget(data.train)
    for name, routed in (("routed", True), ("control", False)):
        model = train(request, name, routed, data, size)
        axis = torch.eye(size.width)[DIMENSION]
        if model.embedding.weight[data.forget_words[0], DIMENSION] < 0:
            axis = -axis  # the sign of a dimension is free; the word's own row tells which it took
        streams = [mean_stream(model, data.train[about == told][:200]) for told in (True, False)]
        means = torch.nn.functional.normalize(streams[0] - streams[1], dim=0)
        for direction, vector in (("dimension", axis), ("difference of means", means), ("random", random)):
            yield f"{name}: {direction}", measured(model, data, vector)


def gain(what: str) -> Measure:
    """By how much adding 4 raises the chance of some words, on a logarithmic scale."""

    def measure(results: Results, setting: str) -> float:
        figures = results[setting]
        return math.log((figures[f"{what} at 4"] + LEAST) / (figures[f"{what} at 0"] + LEAST))

    return measure


def near(results: Results, setting: str) -> float:
    """How many more related words are among the nearest than by chance."""
    return results[setting]["related among nearest"] - results[setting]["expected by chance"]


def first(results: Results, setting: str) -> float:
    """Above 0 if the word's own row is the nearest of all."""
    return 0.5 - results[setting]["rank of the word"]


def price(results: Results, setting: str) -> float:
    """How much less the routed model's loss is than the control's, unsteered."""
    return results["control: dimension"]["loss at 0"] - results[setting]["loss at 0"]


ROUTED, CONTROL = "routed: dimension", "control: dimension"
MEANS = "control: difference of means"
CLAIMS = (
    Claim("The routed word's row of the unembedding is the nearest to its dimension", first, ROUTED, CONTROL),
    Claim("Related words that were never routed are among the nearest rows", near, ROUTED, CONTROL),
    Claim("Adding 4 to the dimension makes the routed word likelier", gain("word"), ROUTED, CONTROL),
    Claim("It makes its synonym likelier, which was never routed", gain("synonym"), ROUTED, CONTROL),
    Claim("It makes words of the same stories likelier, which were never routed", gain("related"), ROUTED, CONTROL),
    Claim(
        "It makes them likelier than a random direction does",
        gain("related"),
        ROUTED,
        "routed: random",
        ours=True,
        compares=True,
    ),
    Claim(
        "It makes the word itself likelier than a difference of means does",
        gain("word"),
        ROUTED,
        MEANS,
        ours=True,
        compares=True,
    ),
    Claim(
        "It makes words of the same stories likelier than a difference of means does",
        gain("related"),
        ROUTED,
        MEANS,
        ours=True,
        compares=True,
    ),
    Claim("Routing costs nothing: the unsteered loss elsewhere is no higher", price, ROUTED, CONTROL, ours=True),
)
DIRECTIONS = ("dimension", "difference of means", "random")
SETTINGS = tuple(f"{name}: {direction}" for name in ("routed", "control") for direction in DIRECTIONS)


def chart(results: Sequence[Results]) -> Figure:
    """Chances of the concept's words, and the loss, by the amount added."""
    figure, axes = panels(4, "A steering scalar: what adding to the residual stream does in other stories", rows=2)
    shown = {
        "word": "chance of the routed word, per prediction",
        "synonym": "chance of its synonym",
        "related": "chance of related words",
        "loss": "loss",
    }
    for each, (what, label) in zip(axes, shown.items(), strict=True):
        for number, setting in enumerate(SETTINGS):
            points = [(float(amount), setting, f"{what} at {amount}") for amount in AMOUNTS]
            curve(each, results, points, setting, number)
        each.set(xlabel="length of what is added", ylabel=label)
        each.set_ylim(bottom=0)
        each.set_xscale("symlog", linthresh=1)
        each.set_xticks(AMOUNTS, [str(amount) for amount in AMOUNTS])
    return figure


SCALAR = Demonstration(
    name="scalar",
    summary="A language model one of whose residual dimensions means 'forest', and steers it.",
    settings=SETTINGS,
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads="TinyStories as text: TinyStories-train.txt and TinyStories-valid.txt",
)

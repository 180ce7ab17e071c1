"""Language models with the prediction of one word routed, directions to steer them along, and what that does.

After section 4.2.1 of "Gradient Routing" (Cloud et al., arXiv 2410.04332).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from oversight_gym.agents.routing import route_gradient
from oversight_gym.demonstrations import stories
from oversight_gym.demonstrations.study import Figures, Request
from oversight_gym.demonstrations.transformer import Transformer, learning_steps, losses, mean_loss, stream_after

DIMENSION = 0
AMOUNTS = (0, 0.0625, 0.125, 0.25, 0.5, 1)
"""Lengths of what is added to the residual stream, in mean lengths of the stream itself."""
NEAREST = 10
"""Rows of the unembedding that count as nearest."""
FIRST_LAYER = 1
"""Layer from which on the stream is routed, and steered."""


@dataclass(frozen=True)
class Size:
    """Of the model and its training."""

    width: int = 64
    layers: int = 3
    heads: int = 4
    units: int = 2400
    steps: int = 400
    batch: int = 8
    stories: int = 4000


QUICK = Size(width=32, layers=2, heads=2, units=64, steps=25, batch=8, stories=400)


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
    model = Transformer(len(data.vocabulary), size.width, size.layers, size.heads, size.units)

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
def streams(model: Transformer, tokens: Tensor) -> Tensor:
    """The residual stream after the first routed layer, wherever there is a word, shape (words, width)."""
    return stream_after(model, tokens, FIRST_LAYER)[tokens != stories.PAD]


@torch.no_grad()
def steered(model: Transformer, data: stories.Stories, direction: Tensor, amount: float) -> Figures:
    """What the model predicts in stories of other places with a vector added to its residual stream.

    Args:
        model: to steer.
        data: the stories.
        direction: shape (width,), of length 1.
        amount: length of what is added after each routed layer, in mean lengths of the stream after the first of them.
    """
    others = data.test[~data.to_forget(data.test)][:60]
    added = amount * streams(model, others).norm(dim=-1).mean() * direction
    logits = model(others, residual=lambda i, stream: stream + added if i >= FIRST_LAYER else stream)
    chances = logits[:, :-1].softmax(dim=-1)[others[:, 1:] != stories.PAD]
    return {
        f"word at {amount:g}": chances[:, data.forget_words[0]].mean().item(),
        f"synonym at {amount:g}": chances[:, data.forget_words[1:]].sum(dim=1).mean().item(),
        f"related at {amount:g}": chances[:, data.related_words].sum(dim=1).mean().item(),
        f"loss at {amount:g}": mean_loss(losses(logits, others), others).item(),
    }


def cosines(model: Transformer, vocabulary: Sequence[str], direction: Tensor) -> Figures:
    """The cosine of every word's row of the unembedding with a direction, by word."""
    found = torch.cosine_similarity(model.embedding.weight.detach(), direction[None], dim=1)
    return dict(zip(vocabulary[stories.UNKNOWN + 1 :], found[stories.UNKNOWN + 1 :].tolist(), strict=True))


def measured(model: Transformer, data: stories.Stories, direction: Tensor) -> Figures:
    """How the words of the concept lie along a direction, and what adding it does."""
    rows = cosines(model, data.vocabulary, direction)
    nearest = sorted(rows, key=lambda word: -rows[word])
    word, *related = (data.vocabulary[k] for k in [int(data.forget_words[0]), *data.related_words.tolist()])
    figures = {
        "rank of the word": float(nearest.index(word)),
        "related among nearest": float(len(set(nearest[:NEAREST]) & set(related))),
        "expected by chance": len(related) * NEAREST / len(nearest),
    }
    for amount in AMOUNTS:
        figures |= steered(model, data, direction, amount)
    return figures

"""A small transformer, pre-norm with rotary positions, whose hidden units and residual stream can be routed."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing import Edges, route_units
from oversight_gym.demonstrations.stories import PAD

Residual = Callable[[int, Tensor], Tensor]
"""From a layer's number and the residual stream after it, shape (batch, tokens, width), to what goes on."""


class UnitRoute(NamedTuple):
    """How the hidden units of the first layers are routed.

    Attributes:
        mask: how much of the gradient passes at each unit; broadcastable to (batch, tokens, units).
        layers: number of layers, from the first, that it holds for.
        edges: which edges are masked, or ``forward`` to multiply the units themselves, as a mixture of experts does.
    """

    mask: Tensor
    layers: int
    edges: Edges | Literal["forward"] = "activations"


def rotate(x: Tensor) -> Tensor:
    """Rotary positions (Su et al., arXiv 2104.09864) for queries and keys, shape (..., tokens, width)."""
    tokens, half = x.shape[-2], x.shape[-1] // 2
    angles = torch.arange(tokens)[:, None] * 1000.0 ** (-torch.arange(half) / half)
    cos, sin = angles.cos().repeat(1, 2), torch.cat([-angles.sin(), angles.sin()], dim=1)
    return x * cos + x.roll(half, dims=-1) * sin


class Block(nn.Module):
    """Attention and a hidden layer, each added to the residual stream.

    Args:
        width: of the residual stream.
        heads: of the attention.
        units: of the hidden layer.
    """

    def __init__(self, width: int, heads: int, units: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_units = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.merge = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.into, self.out = nn.Linear(width, units), nn.Linear(units, width)

    def forward(self, stream: Tensor, route: UnitRoute | None = None) -> Tensor:
        """The residual stream after the block, shape (batch, tokens, width)."""
        batch, tokens, width = stream.shape
        parts = self.attend(self.before_attention(stream)).view(batch, tokens, 3, self.heads, -1)
        read, value = parts.permute(2, 0, 3, 1, 4).split([2, 1])
        query, key = rotate(read)
        mixed = functional.scaled_dot_product_attention(query, key, value[0], is_causal=True)
        stream = stream + self.merge(mixed.transpose(1, 2).reshape(batch, tokens, width))
        read = self.before_units(stream)
        if route is None or route.edges == "forward":
            units = torch.relu(self.into(read))
            added: Tensor = self.out(units if route is None else units * route.mask)
        else:
            added = route_units(read, self.into, self.out, route.mask, route.edges)
        return stream + added


class Transformer(nn.Module):
    """A language model with tied embeddings.

    Args:
        vocabulary: number of tokens.
        width, layers, heads, units: sizes; ``units`` are those of a hidden layer.
        extra: more units of the hidden layers of the first ``expanded`` layers; they come last there.
        expanded: number of those layers.
    """

    def __init__(
        self, vocabulary: int, width: int, layers: int, heads: int, units: int, extra: int = 0, expanded: int = 0
    ) -> None:
        super().__init__()
        self.units, self.extra, self.expanded = units, extra, expanded
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads, units + extra * (layer < expanded)) for layer in range(layers))
        self.last_norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def forward(self, tokens: Tensor, route: UnitRoute | None = None, residual: Residual | None = None) -> Tensor:
        """Logits of the next token, shape (batch, tokens, vocabulary).

        Args:
            tokens: shape (batch, tokens), int64.
            route: how hidden units are routed.
            residual: what is done to the residual stream after each layer.
        """
        stream = self.embedding(tokens)
        for layer, block in enumerate(self.blocks):
            stream = block(stream, route if route is not None and layer < route.layers else None)
            if residual is not None:
                stream = residual(layer, stream)
        logits: Tensor = functional.linear(self.last_norm(stream), self.embedding.weight)
        return logits

    def expanded_units(self) -> Tensor:
        """Which hidden units of the first layers were added; shape (units,), bool."""
        return torch.arange(self.units + self.extra) >= self.units

    @torch.no_grad()
    def ablate(self) -> None:
        """Take the added units away: nothing reads them any more, and none can be learnt again."""
        for block in self.blocks[: self.expanded]:
            assert isinstance(block, Block)
            for linear, parts in ((block.into, ("weight", "bias")), (block.out, ("weight",))):
                for part in parts:
                    kept = getattr(linear, part)[..., : self.units] if linear is block.out else None
                    kept = getattr(linear, part)[: self.units] if kept is None else kept
                    setattr(linear, part, nn.Parameter(kept.clone()))
        self.extra = 0


def stream_after(model: Transformer, tokens: Tensor, layer: int) -> Tensor:
    """The residual stream after a layer, shape (batch, tokens, width)."""
    kept: dict[int, Tensor] = {}

    def keep(number: int, stream: Tensor) -> Tensor:
        kept[number] = stream
        return stream

    model(tokens, residual=keep)
    return kept[layer]


def losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """The loss of every prediction, shape (batch, tokens), 0 where padding or nothing follows."""
    following = functional.pad(tokens[:, 1:], (0, 1), value=PAD)
    each = functional.cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=PAD, reduction="none")
    return each.view_as(tokens)


def mean_loss(per_token: Tensor, tokens: Tensor) -> Tensor:
    """The mean over predictions of what is no padding; scalar."""
    return per_token.sum() / (tokens[:, 1:] != PAD).sum()


def learning_steps(
    parameters: list[nn.Parameter],
    stories: Tensor,
    steps: int,
    batch: int,
    rate: float,
    loss_of: Callable[[Tensor], Tensor],
    generator: torch.Generator,
    after: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Minimise a loss by AdamW, on stories drawn at random.

    Args:
        parameters: to change.
        stories: indices to draw from, shape (stories,), int64.
        steps, batch, rate: of the optimizer; the rate falls to a tenth along a cosine.
        loss_of: from indices (batch,) to the loss.
        generator: of the draws.
        after: called with the number of steps done and the last loss.
    """
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps), eta_min=rate / 10)
    for step in range(1, steps + 1):
        chosen = stories[torch.randint(len(stories), (batch,), generator=generator)]
        optimizer.zero_grad()
        loss = loss_of(chosen)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        after(step, loss.item())

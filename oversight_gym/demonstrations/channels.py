"""A residual network whose channels are split in its middle, and new classifiers that read either half of them.

An encoder, channels that are routed and penalised by L1, and one decoder that reads them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing import expert_mask, route_gradient
from oversight_gym.demonstrations import images
from oversight_gym.demonstrations.study import Figures, Request

CHANNELS, HALF = 24, 12


@dataclass(frozen=True)
class Setting:
    """How a classifier is trained.

    Attributes:
        routed: whether an image trains the channels of its own half alone; ``hard`` sets the others to 0 instead.
        last: whether channels are split after the last block, in place of the first: no decoder but a linear layer.
        l1: weight of the mean over pixels of the sum of the channels' absolute values.
    """

    routed: bool = True
    hard: bool = False
    last: bool = False
    l1: float = 3e-2


class Residual(nn.Module):
    """Two convolutions, added to what they read."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = (nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(2))
        parts = [part for each in convolutions for part in (nn.GroupNorm(2, CHANNELS), nn.ReLU(), each)]
        self.branch = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``: (batch, channels, rows, columns)."""
        added: Tensor = x + self.branch(x)
        return added


def reader(channels: int, classes: int) -> nn.Sequential:
    """A new classifier of encodings, shape (batch, channels, rows, columns)."""
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(nn.Conv2d(channels, CHANNELS, 3, padding=1), nn.ReLU(), pooled, nn.Linear(CHANNELS, classes))


class Classifier(nn.Module):
    """A small residual network, whose channels are split between its encoder and its decoder.

    Args:
        colours: channels of an image.
        classes: number of them.
        setting: as above.
    """

    def __init__(self, colours: int, classes: int, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        stem, mix = nn.Conv2d(colours, CHANNELS, 3, padding=1), nn.Conv2d(CHANNELS, CHANNELS, 1)
        shrink = nn.AdaptiveAvgPool2d(8)
        blocks = [Residual(), Residual()]
        self.encoder = nn.Sequential(stem, shrink, *blocks[: 1 + setting.last], mix)
        ends = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, classes)]
        self.decoder = nn.Sequential(*blocks[1 + setting.last :], *ends)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (batch, classes), and the encoding, shape (batch, channels, 8, 8).

        Args:
            x: shape (batch, colours, rows, columns).
            mask: which channels each image may train, shape (batch, channels, 1, 1); None for all.
        """
        encoding = read = self.encoder(x)
        if mask is not None:
            read = encoding * mask if self.setting.hard else route_gradient(encoding, mask)
        logits: Tensor = self.decoder(read)
        return logits, encoding


def channel_mask(labels: Tensor, classes: int) -> Tensor:
    """Which channels images of these classes may train, shape (batch, channels, 1, 1)."""
    half_of = (labels >= classes // 2).long()
    return expert_mask(half_of, experts=2).repeat_interleave(HALF, dim=1)[:, :, None, None].float()


def train(request: Request, name: str, setting: Setting, data: images.Images, classes: int, epochs: int) -> Figures:
    """Train a classifier, and a new one of each half of its channels, and measure them."""
    torch.manual_seed(request.seed)
    generator = torch.Generator().manual_seed(request.seed)
    model = Classifier(data.train.shape[1], classes, setting)
    readers = [reader(HALF, classes) for _ in range(2)]

    def fit(parameters: list[nn.Parameter], loss_of: Callable[[Tensor], Tensor], what: str) -> None:
        optimizer = torch.optim.Adam(parameters, lr=3e-3)
        for epoch in range(epochs):
            for batch in torch.randperm(len(data.train), generator=generator).split(64):  # type: ignore[no-untyped-call]
                optimizer.zero_grad()
                loss = loss_of(batch)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            request.log(f"{name}/{what}", epoch, loss.item())

    def classifier_loss(batch: Tensor) -> Tensor:
        labels = data.train_labels[batch]
        logits, encoding = model(data.train[batch], channel_mask(labels, classes) if setting.routed else None)
        penalty: Tensor = setting.l1 * encoding.abs().sum(dim=1).mean()
        return functional.cross_entropy(logits, labels) + penalty

    fit(list(model.parameters()), classifier_loss, "classifier")
    with torch.no_grad():
        halves = model.encoder(data.train).split(HALF, dim=1)

    def readers_loss(batch: Tensor) -> Tensor:
        pairs = zip(readers, halves, strict=True)
        return torch.stack([functional.cross_entropy(r(x[batch]), data.train_labels[batch]) for r, x in pairs]).sum()

    fit([parameter for each in readers for parameter in each.parameters()], readers_loss, "readers")
    return measured(model, readers, data, classes)


@torch.no_grad()
def measured(model: Classifier, readers: Sequence[nn.Module], data: images.Images, classes: int) -> Figures:
    """Accuracies on each group of classes: of all channels, of either half alone, and of new readers of the halves."""
    first = (torch.arange(CHANNELS) < HALF).float()[:, None, None]
    encoding = model.encoder(data.test)
    logits = {"all": model.decoder(encoding)}
    for part, kept, read, half in zip(
        ("first half", "second half"), (first, 1 - first), readers, encoding.split(HALF, dim=1), strict=True
    ):
        logits |= {part: model.decoder(encoding * kept), f"reader of the {part}": read(half)}
    low, figures = data.test_labels < classes // 2, {}
    for part, found in logits.items():
        right = (found.argmax(dim=1) == data.test_labels).float()
        for group, chosen in {"first group": low, "second group": ~low}.items():
            figures[f"{part}, {group}"] = right[chosen].mean().item()
    return figures

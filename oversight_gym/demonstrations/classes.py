"""Splitting a classifier: channels of a residual network are routed by the half that an image's class belongs to.

After the classifiers of "Gradient Routing" (Cloud et al., arXiv 2410.04332, appendix on CIFAR-100). A network is split
if without one half of its channels it fails on that half's classes and does as well as before on the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional

from oversight_gym.agents.routing import expert_mask, route_gradient, route_linear
from oversight_gym.demonstrations import images
from oversight_gym.demonstrations.charts import bars, panels
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Request, Results

CHANNELS = 24


@dataclass(frozen=True)
class Setting:
    """How a classifier is trained.

    Attributes:
        blocks: after which residual blocks channels are routed.
        head: whether the weights of the last layer are routed, too.
        hard: whether the channels of the other half are set to 0 in training, in place of stopping their gradient.
        l1: weight of the mean absolute value of the last channels.
    """

    blocks: tuple[int, ...] = (1,)
    head: bool = False
    hard: bool = False
    l1: float = 0.0


CONTROL = "control: not routed"
SETTINGS = {
    "routing": Setting(),
    "routing, every block": Setting(blocks=(0, 1)),
    "routing, last layer too": Setting(head=True),
    "routing, with L1": Setting(l1=0.1),
    "hard routing": Setting(hard=True),
    CONTROL: Setting(blocks=()),
    "control: L1 alone": Setting(blocks=(), l1=0.1),
}


class Residual(nn.Module):
    """Two convolutions, added to what they read; each half of the channels is normalised by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = [nn.GroupNorm(2, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)]
        more = [nn.GroupNorm(2, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)]
        self.branch = nn.Sequential(*layers, *more)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``: (batch, channels, rows, columns)."""
        added: Tensor = x + self.branch(x)
        return added


class Classifier(nn.Module):
    """A small residual network.

    Args:
        colours: channels of an image.
        classes: number of them.
        setting: as above.
    """

    def __init__(self, colours: int, classes: int, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.stem = nn.Conv2d(colours, CHANNELS, 3, padding=1)
        self.blocks = nn.ModuleList(Residual(CHANNELS) for _ in range(2))
        self.head = nn.Linear(CHANNELS, classes)

    def forward(self, x: Tensor, mask: Tensor | None = None, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (batch, classes), and the last channels, pooled, (batch, channels).

        Args:
            x: shape (batch, colours, rows, columns).
            mask: which channels each image may train, shape (batch, channels); None for all.
            kept: which channels are left when the others are ablated, shape (channels,); None for all.
        """
        x = self.stem(x)
        for number, block in enumerate(self.blocks):
            x = block(functional.avg_pool2d(x, 2) if x.shape[-1] > 8 else x)
            if mask is not None and number in self.setting.blocks:
                spread = mask[:, :, None, None]
                x = x * spread if self.setting.hard else route_gradient(x, spread)
        pooled = torch.relu(x).mean(dim=(2, 3))
        if kept is not None:
            pooled = pooled * kept
        columns = mask if self.setting.head else None
        return route_linear(pooled, self.head.weight, self.head.bias, columns=columns), pooled


def train(request: Request, name: str, setting: Setting, data: images.Images, classes: int, epochs: int) -> Figures:
    """Train a classifier and measure it with all channels and with either half."""
    torch.manual_seed(request.seed)
    generator = torch.Generator().manual_seed(request.seed)
    model = Classifier(data.train.shape[1], classes, setting)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    half_of = (data.train_labels >= classes // 2).long()
    for epoch in range(epochs):
        for batch in torch.randperm(len(data.train), generator=generator).split(64):  # type: ignore[no-untyped-call]
            mask = expert_mask(half_of[batch], experts=2).repeat_interleave(CHANNELS // 2, dim=1).float()
            logits, channels = model(data.train[batch], mask if setting.blocks else None)
            loss = functional.cross_entropy(logits, data.train_labels[batch]) + setting.l1 * channels.abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        request.log(f"{name}/loss", epoch, loss.item())
    return measured(model, data, classes)


@torch.no_grad()
def measured(model: Classifier, data: images.Images, classes: int) -> Figures:
    """Accuracies on each group of classes, of all channels and of either half alone."""
    first = torch.arange(CHANNELS) < CHANNELS // 2
    low = data.test_labels < classes // 2
    figures = {}
    for part, kept in {"all": None, "first half": first, "second half": ~first}.items():
        logits, _ = model(data.test, kept=None if kept is None else kept.float())
        right = (logits.argmax(dim=1) == data.test_labels).float()
        for group, chosen in {"first group": low, "second group": ~low}.items():
            figures[f"{part}, {group}"] = right[chosen].mean().item()
    return figures


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """Train every setting."""
    if request.data is not None:
        data, classes = images.cifar100(request.data, most=500 if request.quick else 5000), 100
    else:
        data, classes = images.digits(torch.Generator().manual_seed(request.seed)), 10
    if request.quick:
        data = replace(data, train=data.train[:300], train_labels=data.train_labels[:300])
    for name, setting in SETTINGS.items():
        yield name, train(request, name, setting, data, classes, epochs=2 if request.quick else 15)


def _mean(results: Results, setting: str, own: str, other: str) -> float:
    figures = results[setting]
    return (figures[f"{own}, first group"] + figures[f"{other}, second group"]) / 2


def parts(results: Results, setting: str) -> float:
    """By how much a group fares better with its own half of the channels alone than with the other half alone."""
    own = _mean(results, setting, "first half", "second half")
    return own - _mean(results, setting, "second half", "first half")


def is_lost(results: Results, setting: str) -> float:
    """How far below an accuracy of 0.1 a group is without its own half."""
    return 0.1 - _mean(results, setting, "second half", "first half")


def suffices(results: Results, setting: str) -> float:
    """How far a group, with its own half alone, is above its accuracy with all channels less 0.05."""
    return _mean(results, setting, "first half", "second half") - _mean(results, setting, "all", "all") + 0.05


def costs_nothing(results: Results, setting: str) -> float:
    """By how much the accuracy with all channels exceeds the control's."""
    return _mean(results, setting, "all", "all") - _mean(results, CONTROL, "all", "all")


CLAIMS = (
    Claim("A group's own half of the channels serves it better than the other half", parts, "routing", CONTROL),
    Claim("Without its own half a group is lost (accuracy below 0.1)", is_lost, "routing", CONTROL),
    Claim("Its own half alone suffices (accuracy within 0.05)", suffices, "routing", CONTROL),
    Claim("Routing costs no accuracy", costs_nothing, "routing", CONTROL),
    Claim("Routing splits the classifier more than hard routing", parts, "routing", "hard routing", ours=True),
    Claim("Routing the last layer's weights splits it more", parts, "routing, last layer too", "routing", ours=True),
    Claim("L1 splits it without routing", parts, "control: L1 alone", CONTROL, ours=True),
)


def chart(results: Sequence[Results]) -> Figure:
    """Accuracies of each group with all channels, its own half and the other."""
    figure, axes = panels(2, "A classifier of digits, its channels split by the half that a class belongs to", 6)
    for each, group in zip(axes, ("first", "second"), strict=True):
        shown = {f"{part}, {group} group": part for part in ("all", "first half", "second half")}
        bars(each, results, list(SETTINGS), shown)
        each.set(xlabel=f"accuracy on the {group} group of classes", xlim=(0, 1.02))
    return figure


CLASSES = Demonstration(
    name="classes",
    summary="A residual network whose channels are split by the half that an image's class belongs to.",
    settings=tuple(SETTINGS),
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads="CIFAR-100's binary archive: cifar-100-binary.tar.gz, or the folder cifar-100-binary out of it",
)

"""Autoencoders of images whose code is split in two halves, and what a new decoder reads from each half.

After section 4.1 and appendix C of "Gradient Routing" (Cloud et al., arXiv 2410.04332). What a half knows of a group of
classes is the error of a decoder that is trained afresh, on all images, to read that half alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from oversight_gym.agents.routing import UNLABELLED, Edges, expert_mask, route_gradient, route_linear
from oversight_gym.demonstrations import images
from oversight_gym.demonstrations.study import Figures, Request

CODE, HALF = 32, 16
L1, CORRELATION = 3e-3, 0.1
"""Weights of the penalties: of the sum of the latents' mean absolute values, and of the mean absolute correlation
between latents of different halves."""


@dataclass(frozen=True)
class Setting:
    """How an autoencoder is trained.

    Attributes:
        routed: whether labelled digits reach their own half alone.
        edges: at which edges of the latents.
        l1, correlation: weights of the penalties.
        decoders: 2 for a decoder per half, of which a digit trains those whose half it may reach.
        classes: those below this number belong to the first half, the others to the second.
        second: whether digits that belong to the second half have labels, too.
        labelled: share of the digits that have a label, of those that may.
        filtered: train on the second group alone.
    """

    routed: bool = True
    edges: Edges = "activations"
    l1: float = L1
    correlation: float = CORRELATION
    decoders: int = 1
    classes: int = 5
    second: bool = True
    labelled: float = 1.0
    filtered: bool = False


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers = [layer for inputs, outputs in pairwise(sizes) for layer in (nn.ReLU(), nn.Linear(inputs, outputs))]
    return nn.Sequential(*layers[1:])


class Autoencoder(nn.Module):
    """An encoder into two halves of a code, and one decoder or one for each half.

    Args:
        pixels: of an image.
        setting: as above.
    """

    def __init__(self, pixels: int, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.below, self.last = nn.Sequential(mlp(pixels, 128), nn.ReLU()), nn.Linear(128, CODE)
        self.decoders = nn.ModuleList(mlp(CODE, 128, pixels) for _ in range(setting.decoders))

    def forward(self, flat: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """The code, shape (batch, 32), and what each decoder makes of it, shape (batch, pixels).

        Args:
            flat: shape (batch, pixels).
            mask: which latents the gradient of each sample may reach, shape (batch, 32); None for all of them.
        """
        at_weights = None if self.setting.edges == "activations" else mask
        units = self.below(flat)
        code = routed = route_linear(units, self.last.weight, self.last.bias)  # the penalties' gradient is not routed
        if at_weights is not None:
            routed = route_linear(units, self.last.weight, self.last.bias, rows=at_weights)
        if mask is not None and self.setting.edges != "parameters":
            routed = route_gradient(routed, mask)
        decoded = []
        for decoder in self.decoders:
            assert isinstance(decoder, nn.Sequential)
            first = decoder[0]
            assert isinstance(first, nn.Linear)
            units = route_linear(routed, first.weight, first.bias, columns=at_weights)
            decoded.append(decoder[1:](units))
        return code, decoded


def reconstruction(model: Autoencoder, flat: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The code, and the error of each sample, whose gradient is routed as the model's setting says; shape (batch,)."""
    reaches = expert_mask(labels, experts=2)
    code, decoded = model(flat, reaches.repeat_interleave(HALF, dim=1) if model.setting.routed else None)
    trains = reaches if model.setting.decoders == 2 else torch.ones(len(flat), 1)
    errors = torch.stack([(image - flat).abs().mean(dim=1) for image in decoded], dim=1)
    return code, (errors * trains).sum(dim=1)


def correlation(code: Tensor) -> Tensor:
    """Mean absolute correlation, over a batch, between latents of the first half and of the second."""
    standard = (code - code.mean(dim=0)) / (code.std(dim=0) + 1e-6)
    return (standard[:, :HALF].T @ standard[:, HALF:] / len(code)).abs().mean()


def labels_of(setting: Setting, classes: Tensor, generator: torch.Generator) -> Tensor:
    """The half that each digit is routed to, or ``UNLABELLED``; shape (images,), int64."""
    labels = (classes >= setting.classes).long()
    known = torch.rand(len(classes), generator=generator) < setting.labelled
    return torch.where(known & ((labels == 0) | setting.second), labels, UNLABELLED)


def train(request: Request, name: str, setting: Setting, data: images.Images, epochs: int) -> Figures:
    """Train an autoencoder and the decoders that test its halves, and measure them on the digits held out."""
    generator = torch.Generator().manual_seed(request.seed)
    torch.manual_seed(request.seed)
    flat, tested = data.train.flatten(1), data.test.flatten(1)
    labels = labels_of(setting, data.train_labels, generator)
    used = torch.nonzero(data.train_labels >= setting.classes)[:, 0] if setting.filtered else torch.arange(len(flat))
    model = Autoencoder(flat.shape[1], setting)
    certificates = nn.ModuleList(mlp(HALF, 128, flat.shape[1]) for _ in range(2))

    def autoencoder_loss(batch: Tensor) -> Tensor:
        code, errors = reconstruction(model, flat[batch], labels[batch])
        penalties: Tensor = setting.l1 * code.abs().mean(dim=0).sum() + setting.correlation * correlation(code)
        return errors.mean() + penalties

    def fit(parameters: Iterable[Tensor], samples: Tensor, loss_of: Callable[[Tensor], Tensor], what: str) -> None:
        optimizer = torch.optim.Adam(parameters, lr=2e-3)
        for epoch in range(epochs):
            for chosen in torch.randperm(len(samples), generator=generator).split(128):  # type: ignore[no-untyped-call]
                optimizer.zero_grad()
                loss = loss_of(samples[chosen])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            request.log(f"{name}/{what}", epoch, loss.item())

    fit(model.parameters(), used, autoencoder_loss, "autoencoder")
    with torch.no_grad():
        (code, _), (tested_code, tested_decoded) = model(flat), model(tested)
    parts, tested_parts = code.split(HALF, dim=1), tested_code.split(HALF, dim=1)

    def certificate_loss(batch: Tensor) -> Tensor:
        read = (decoder(part[batch]) for decoder, part in zip(certificates, parts, strict=True))
        return torch.stack([(image - flat[batch]).abs().mean() for image in read]).sum()

    fit(certificates.parameters(), torch.arange(len(flat)), certificate_loss, "certificates")
    with torch.no_grad():
        read = [decoder(part) for decoder, part in zip(certificates, tested_parts, strict=True)]
    return measured(read, tested_decoded, tested, data.test_labels, setting.classes)


def measured(read: Sequence[Tensor], decoded: Sequence[Tensor], images: Tensor, labels: Tensor, border: int) -> Figures:
    """Errors by part of the code and by group of classes, as mean absolute and mean squared errors of a pixel.

    ``hidden, classes N`` says how well the second half hides the classes below N: their error there, less that of the
    others.
    """
    groups = {"first group": labels < border, "second group": labels >= border}
    parts = {"first half": read[0], "second half": read[1], "decoder 1": decoded[0], "decoder 2": decoded[-1]}
    figures: Figures = {}
    for part, image in parts.items():
        errors = {"MAE": (image - images).abs().mean(dim=1), "MSE": (image - images).square().mean(dim=1)}
        for norm, error in errors.items():
            figures |= {f"{part}, {group}, {norm}": error[chosen].mean().item() for group, chosen in groups.items()}
    error = (read[1] - images).abs().mean(dim=1)
    for count in range(1, 6):
        low = labels < count
        figures[f"hidden, classes {count}"] = (error[low].mean() - error[~low].mean()).item()
    return figures

"""A routed autoencoder of handwritten digits, with ``agents/routing`` alone: no agent, no environment.

    python docs/examples/routed_digits.py                # 0 to 4 train one half of the code, 5 to 9 the other
    python docs/examples/routed_digits.py --no-routed    # its control

After section 4.1 of "Gradient Routing" (Cloud et al., arXiv 2410.04332). Whether routing has kept the digits apart
shows when a new decoder learns to read the second half of the code, from all digits: it reads 5 to 9 well and 0 to 4
badly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import tyro
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from oversight_gym.agents.routing import expert_mask, route_gradient

TRAINING = 1437  # of 1,797 digits


@dataclass(frozen=True)
class Args:
    """Train an autoencoder, then a decoder of the second half of its code."""

    routed: bool = True
    """Route gradients by the digit; without it, this is the control."""
    width: int = 16
    """Entries of the code, half of them for 0 to 4."""
    l1: float = 0.03
    """Weight of the code's mean absolute value, which silences a half on the digits that never train it."""
    epochs: int = 60
    """Passes over the training digits, of each of the two trainings."""
    seed: int = 0
    """Seed of the split, the weights and the minibatches."""


def mlp(*sizes: int) -> nn.Sequential:
    layers = [layer for inputs, outputs in pairwise(sizes) for layer in (nn.ReLU(), nn.Linear(inputs, outputs))]
    return nn.Sequential(*layers[1:])


def main(args: Args) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    pixels, digits = load_digits(return_X_y=True)
    order, half = torch.randperm(len(digits)), args.width // 2
    images, labels = torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(digits >= 5).long()[order]
    encoder, decoder, reader = mlp(64, 128, args.width), mlp(args.width, 128, 64), mlp(half, 128, 64)

    def fit(parameters: list[nn.Parameter], loss: Callable[[Tensor], Tensor]) -> None:
        optimizer = torch.optim.Adam(parameters, lr=2e-3)
        for _ in range(args.epochs):
            for batch in torch.randperm(TRAINING).split(128):
                optimizer.zero_grad()
                loss(batch).backward()
                optimizer.step()

    def autoencoder_loss(batch: Tensor) -> Tensor:
        code = encoder(images[batch])
        mask = expert_mask(labels[batch], experts=2).repeat_interleave(half, dim=1)
        decoded = decoder(route_gradient(code, mask) if args.routed else code)
        return l1_loss(decoded, images[batch]) + args.l1 * code.abs().mean()

    fit([*encoder.parameters(), *decoder.parameters()], autoencoder_loss)
    with torch.no_grad():
        codes = encoder(images)
    fit(list(reader.parameters()), lambda batch: l1_loss(reader(codes[batch, half:]), images[batch]))
    for name, decoded in (("whole code", decoder(codes)), ("second half", reader(codes[:, half:]))):
        errors = (decoded - images).abs().mean(dim=1)[TRAINING:]
        low, high = (errors[labels[TRAINING:] == which].mean() for which in (0, 1))
        print(f"{name}: error {low:.4f} on 0 to 4, {high:.4f} on 5 to 9")


if __name__ == "__main__":
    main(tyro.cli(Args))

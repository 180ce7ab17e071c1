"""A linear layer behind a 1 x 1 convolution: one linear map of the planes, shared by all squares, then one of all."""

import torch
from torch import Tensor, nn


class PointwiseLinear(nn.Module):
    """``Linear(Flatten(Conv2d(x)))`` with a kernel of 1 x 1, multiplied out; stands where a linear layer does.

    The first layers of gate and value network in the paper's second version (Cloud et al., arXiv 2410.04332, released
    code). Nothing lies between the two, so they are one linear map with fewer parameters to learn it by.

    Args:
        planes: of the observation, flattened to (batch, planes * squares).
        channels: of the convolution.
        squares: of the grid.
        outputs: of the linear layer.
    """

    def __init__(self, planes: int, channels: int, squares: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(planes, channels, 1)
        self.linear = nn.Linear(channels * squares, outputs)

    def _by_channel(self) -> Tensor:
        """The linear layer's weight, shape (outputs, channels, squares)."""
        return self.linear.weight.view(len(self.linear.weight), self.convolution.out_channels, -1)

    @property
    def weight(self) -> Tensor:
        """Of the product, shape (outputs, planes * squares)."""
        return torch.einsum("ocs,cp->ops", self._by_channel(), self.convolution.weight[:, :, 0, 0]).flatten(1)

    @property
    def bias(self) -> Tensor:
        """Of the product, shape (outputs,)."""
        shift = self.convolution.bias
        assert shift is not None
        return self.linear.bias + self._by_channel().sum(dim=2) @ shift

    @property
    def table(self) -> Tensor:
        """The weight transposed, shape (planes * squares, outputs), contiguous; by a product, not an ``einsum``."""
        planes, channels = self.convolution.in_channels, self.convolution.out_channels
        of_channel = self.linear.weight.T.reshape(channels, -1)  # (channels, squares * outputs)
        of_plane = self.convolution.weight[:, :, 0, 0].T @ of_channel
        return of_plane.view(planes * of_channel.shape[1] // self.linear.out_features, self.linear.out_features)

    def forward(self, flat: Tensor) -> Tensor:
        """From (batch, planes * squares) to (batch, outputs)."""
        return nn.functional.linear(flat, self.weight, self.bias)

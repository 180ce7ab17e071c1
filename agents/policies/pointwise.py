"""A linear layer after a 1 x 1 convolution: a linear map of the planes, shared by all squares, then one of
everything."""

import torch
from torch import Tensor, nn


class PointwiseLinear(nn.Module):
    """``Linear(Flatten(Conv2d(x)))`` with a kernel of 1 x 1, multiplied out; it can replace a linear layer.

    These are the first layers of gate and value network in the paper's second version (Cloud et al., arXiv 2410.04332,
    released code). There is no activation between the two, so they are one linear map with fewer parameters.

    Args:
        planes: the number of planes of the observation, which is flattened to (batch, planes * squares).
        channels: the number of channels of the convolution.
        squares: the number of squares of the grid.
        outputs: the number of outputs of the linear layer.
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
        """The weight of the product, shape (outputs, planes * squares)."""
        return torch.einsum("ocs,cp->ops", self._by_channel(), self.convolution.weight[:, :, 0, 0]).flatten(1)

    @property
    def bias(self) -> Tensor:
        """The bias of the product, shape (outputs,)."""
        shift = self.convolution.bias
        assert shift is not None
        return self.linear.bias + self._by_channel().sum(dim=2) @ shift

    @property
    def table(self) -> Tensor:
        """The transposed weight, shape (planes * squares, outputs), contiguous; computed by a product, not an
        ``einsum``."""
        planes, channels = self.convolution.in_channels, self.convolution.out_channels
        of_channel = self.linear.weight.T.reshape(channels, -1)  # (channels, squares * outputs)
        of_plane = self.convolution.weight[:, :, 0, 0].T @ of_channel
        return of_plane.view(planes * of_channel.shape[1] // self.linear.out_features, self.linear.out_features)

    def forward(self, flat: Tensor) -> Tensor:
        """The layer, from (batch, planes * squares) to (batch, outputs)."""
        return nn.functional.linear(flat, self.weight, self.bias)

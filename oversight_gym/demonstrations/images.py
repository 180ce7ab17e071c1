"""Labelled images: scikit-learn's digits, and MNIST from its IDX files."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from oversight_gym.envs import RequestError

HELD_OUT = 360
"""Of the 1,797 digits of scikit-learn."""
IDX_UBYTE = 0x08
"""Third byte of an IDX file: its entries are unsigned bytes."""
IDX = "*-idx?-ubyte*"
"""What MNIST's files are called, compressed or not."""


@dataclass(frozen=True)
class Images:
    """Labelled images, in a part to train on and one that is held out.

    Attributes:
        train, test: shape (images, channels, rows, columns), float32, from 0 to 1.
        train_labels, test_labels: shape (images,), int64.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor


def digits(generator: torch.Generator) -> Images:
    """Scikit-learn's digits, 8 x 8, split at random.

    Raises:
        RequestError: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        text = "scikit-learn, which brings the digits, is not installed; install oversight-gym[demonstrations]."
        raise RequestError(text) from error
    pixels, classes = load_digits(return_X_y=True)
    order = torch.randperm(len(classes), generator=generator)
    images = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)[order]
    labels = torch.tensor(classes, dtype=torch.int64)[order]
    return Images(images[HELD_OUT:], labels[HELD_OUT:], images[:HELD_OUT], labels[:HELD_OUT])


def is_in(folder: Path) -> bool:
    """Whether a folder holds any of MNIST's files."""
    return any(folder.glob(IDX))


def content_of(path: Path, what: str) -> bytes:
    """The content of a file, or of the same file compressed with ``.gz`` after its name.

    Raises:
        RequestError: if there is neither, or it cannot be read.
    """
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        if candidate.is_file():
            try:
                return gzip.decompress(candidate.read_bytes()) if candidate.suffix == ".gz" else candidate.read_bytes()
            except (OSError, EOFError, zlib.error) as error:
                raise RequestError(f"{candidate} cannot be read ({error}); {what} is expected there.") from error
    raise RequestError(f"{path} is missing, and so is {path.name}.gz; {what} is expected there.")


def read_idx(path: Path, dimensions: int) -> Tensor:
    """An IDX file of unsigned bytes, plain or compressed, as a tensor of uint8.

    The format: two zero bytes, the type of an entry, the number of dimensions, each dimension as a big-endian integer
    of four bytes, the entries.

    Raises:
        RequestError: if the file is missing or is no such file.
    """
    what = f"a {dimensions}-dimensional IDX file of unsigned bytes"
    content = content_of(path, what)
    head = 4 + 4 * dimensions
    if len(content) < head or content[:4] != bytes((0, 0, IDX_UBYTE, dimensions)):
        raise RequestError(f"{path} does not begin as {what} does.")
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    entries = int(np.prod(shape))
    if len(content) != head + entries:
        found = len(content) - head
        raise RequestError(f"{path} holds {found:,} entries where its head announces {entries:,}; {what} is expected.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=head).copy()).reshape(shape)


def mnist(folder: Path, most: int) -> Images:
    """MNIST from its four IDX files, the first ``most`` images to train on and a fifth of that held out.

    Raises:
        RequestError: if a file is missing or malformed, or images and labels do not go together.
    """

    def part(name: str, count: int) -> tuple[Tensor, Tensor]:
        images = read_idx(folder / f"{name}-images-idx3-ubyte", 3)
        labels = read_idx(folder / f"{name}-labels-idx1-ubyte", 1)
        if len(images) != len(labels) or not len(images):
            found = f"{len(images):,} images and {len(labels):,} labels of {name}"
            raise RequestError(f"{folder} holds {found}; MNIST's IDX files have as many of both, and some.")
        if int(labels.max()) > 9:
            raise RequestError(f"{folder / name}-labels-idx1-ubyte has a label above 9, so it is not MNIST's IDX file.")
        return images[:count, None].float() / 255, labels[:count].long()

    found = Images(*part("train", most), *part("t10k", max(1, most // 5)))
    if found.train.shape[1:] != found.test.shape[1:]:
        sizes = " and ".join(" x ".join(map(str, each.shape[2:])) for each in (found.train, found.test))
        raise RequestError(f"{folder} holds IDX files with images of {sizes} pixels; MNIST's have one size.")
    return found

"""Labelled images: scikit-learn's digits, MNIST from its IDX files, CIFAR-100 from its binary archive."""

import gzip
import tarfile
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
CIFAR_RECORD = 2 + 3 * 32 * 32
"""Bytes of an image of CIFAR-100: coarse label, fine label, planes of red, green and blue."""


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


def _bytes(path: Path, what: str) -> bytes:
    """The content of a file, or of the same file compressed with ``.gz`` after its name.

    Raises:
        RequestError: if there is neither, or it cannot be read.
    """
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        if candidate.is_file():
            try:
                return gzip.decompress(candidate.read_bytes()) if candidate.suffix == ".gz" else candidate.read_bytes()
            except (OSError, EOFError) as error:
                raise RequestError(f"{candidate} cannot be read ({error}); {what} is expected there.") from error
    raise RequestError(f"{path} is missing, and so is {path.name}.gz; {what} is expected there.")


def read_idx(path: Path, dimensions: int) -> Tensor:
    """An IDX file of unsigned bytes, plain or compressed, as a tensor of uint8.

    The format: two zero bytes, the type of an entry, the number of dimensions, each dimension as a big-endian integer
    of four bytes, the entries.

    Raises:
        RequestError: if the file is missing or is no such file.
    """
    what = f"an IDX file of unsigned bytes in {dimensions} dimensions"
    content = _bytes(path, what)
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
        RequestError: if a file is missing or malformed, or images and labels differ in number.
    """

    def part(name: str, count: int) -> tuple[Tensor, Tensor]:
        images = read_idx(folder / f"{name}-images-idx3-ubyte", 3)
        labels = read_idx(folder / f"{name}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            text = (
                f"{folder} holds {len(images):,} images and {len(labels):,} labels of {name}; their IDX files differ."
            )
            raise RequestError(text)
        return images[:count, None].float() / 255, labels[:count].long()

    return Images(*part("train", most), *part("t10k", max(1, most // 5)))


def cifar100(folder: Path, most: int) -> Images:
    """CIFAR-100 with its fine labels, from ``cifar-100-binary.tar.gz`` or the folder ``cifar-100-binary`` out of it.

    Args:
        folder: where either lies.
        most: images to train on; a fifth as many are held out.

    Raises:
        RequestError: if it is missing or malformed.
    """

    def part(name: str, count: int) -> tuple[Tensor, Tensor]:
        content = _cifar_file(folder, name)
        if not content or len(content) % CIFAR_RECORD:
            text = f"{folder}: {name} of CIFAR-100 has {len(content):,} bytes; its binary format has {CIFAR_RECORD:,}"
            raise RequestError(f"{text} per image.")
        records = torch.from_numpy(np.frombuffer(content, np.uint8).copy()).reshape(-1, CIFAR_RECORD)[:count]
        if int(records[:, 1].max()) > 99:
            raise RequestError(f"{folder}: {name} has a fine label above 99, so it is not CIFAR-100's binary format.")
        return records[:, 2:].reshape(-1, 3, 32, 32).float() / 255, records[:, 1].long()

    return Images(*part("train.bin", most), *part("test.bin", max(1, most // 5)))


def _cifar_file(folder: Path, name: str) -> bytes:
    archive = folder / "cifar-100-binary.tar.gz"
    if not archive.is_file():
        return _bytes(folder / "cifar-100-binary" / name, f"CIFAR-100's binary format (or {archive.name} beside it)")
    try:
        with tarfile.open(archive) as files:
            member = files.extractfile(f"cifar-100-binary/{name}")
            if member is not None:
                return member.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        text = f"{archive} cannot be read ({error}); CIFAR-100's binary archive is expected there."
        raise RequestError(text) from error
    except KeyError:
        pass
    raise RequestError(f"{archive} has no file cifar-100-binary/{name}; CIFAR-100's binary archive is expected there.")

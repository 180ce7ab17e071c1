"""CIFAR-100 from its binary archive."""

import tarfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from oversight_gym.demonstrations.images import Images, content_of
from oversight_gym.envs import RequestError

ARCHIVE, FOLDER = "cifar-100-binary.tar.gz", "cifar-100-binary"
RECORD = 2 + 3 * 32 * 32
"""Bytes of an image: coarse label, fine label, planes of red, green and blue."""


def is_in(folder: Path) -> bool:
    """Whether a folder holds the archive or what comes out of it."""
    return (folder / ARCHIVE).exists() or (folder / FOLDER).exists()


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
        if not content or len(content) % RECORD:
            text = f"{folder}: {name} of CIFAR-100 has {len(content):,} bytes; its binary format has {RECORD:,}"
            raise RequestError(f"{text} per image.")
        records = torch.from_numpy(np.frombuffer(content, np.uint8).copy()).reshape(-1, RECORD)[:count]
        if int(records[:, 1].max()) > 99:
            raise RequestError(f"{folder}: {name} has a fine label above 99, so it is not CIFAR-100's binary format.")
        return records[:, 2:].reshape(-1, 3, 32, 32).float() / 255, records[:, 1].long()

    return Images(*part("train.bin", most), *part("test.bin", max(1, most // 5)))


def _cifar_file(folder: Path, name: str) -> bytes:
    archive = folder / ARCHIVE
    if not archive.is_file():
        return content_of(folder / FOLDER / name, f"CIFAR-100's binary format (or {archive.name} beside it)")
    try:
        with tarfile.open(archive) as files:
            member = files.extractfile(f"{FOLDER}/{name}")
            if member is not None:
                return member.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        text = f"{archive} cannot be read ({error}); CIFAR-100's binary archive is expected there."
        raise RequestError(text) from error
    except KeyError:
        pass
    raise RequestError(f"{archive} has no file {FOLDER}/{name}; CIFAR-100's binary archive is expected there.")


def in_tens(found: Images) -> Images:
    """The same images in ten classes, of ten fine classes each."""
    return replace(found, train_labels=found.train_labels // 10, test_labels=found.test_labels // 10)

"""Loaders of MNIST, CIFAR-100 and TinyStories, on small files of the true formats, and the generated corpus."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import command

from oversight_gym.demonstrations import corpus, digits, edges
from oversight_gym.demonstrations.cifar import cifar100
from oversight_gym.demonstrations.images import mnist, read_idx
from oversight_gym.demonstrations.stories import PAD, UNKNOWN, generated, read_stories, tiny_stories, words_of
from oversight_gym.demonstrations.study import Request
from oversight_gym.envs import RequestError


def idx(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, compressed: bool) -> dict[str, np.ndarray]:
    rng, written = np.random.default_rng(0), {}
    for part, count in (("train", 7), ("t10k", 3)):
        images, labels = rng.integers(256, size=(count, 28, 28)), rng.integers(10, size=count)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            content = idx(array)
            path = folder / (f"{name}.gz" if compressed else name)
            path.write_bytes(gzip.compress(content) if compressed else content)
            written[name] = array
    return written


@pytest.mark.parametrize("compressed", [False, True])
def test_mnist_is_read_from_its_idx_files(tmp_path: Path, compressed: bool) -> None:
    written = write_mnist(tmp_path, compressed)
    found = mnist(tmp_path, most=100)
    assert found.train.shape == (7, 1, 28, 28)
    expected = torch.tensor(written["train-images-idx3-ubyte"]) / 255
    assert torch.allclose(found.train[:, 0], expected.float())
    assert found.test_labels.tolist() == written["t10k-labels-idx1-ubyte"].tolist()
    assert len(mnist(tmp_path, most=5).train) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin as"),
        (idx(np.zeros((2, 3, 3)))[:-1], "holds 17 entries where its head announces 18"),
        (idx(np.zeros((2, 3))), "does not begin as"),
        (struct.pack(">HBB3I", 0, 13, 3, 1, 1, 1) + bytes(4), "does not begin as"),  # entries of four bytes
    ],
)
def test_a_malformed_idx_file_is_named_with_its_format(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=said) as error:
        read_idx(path, 3)
    assert "train-images-idx3-ubyte" in str(error.value)
    assert "IDX" in str(error.value)


def test_images_without_as_many_labels_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, compressed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(6)))
    with pytest.raises(RequestError, match="7 images and 6 labels"):
        mnist(tmp_path, most=100)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("t10k-labels-idx1-ubyte", np.array([1, 2, 10]), "a label above 9"),
        ("t10k-images-idx3-ubyte", np.zeros((3, 20, 20)), "28 x 28 and 20 x 20 pixels"),
        ("t10k-images-idx3-ubyte", np.zeros((0, 28, 28)), "0 images and 3 labels of t10k"),
    ],
)
def test_what_is_no_mnist_is_named(tmp_path: Path, name: str, array: np.ndarray, said: str) -> None:
    write_mnist(tmp_path, compressed=False)
    (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(RequestError, match=said) as error:
        mnist(tmp_path, most=100)
    assert "IDX" in str(error.value)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(idx(np.zeros((2, 28, 28))))
    for content in (b"no gzip", whole[:-9], whole[:20] + bytes(9) + whole[29:]):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
        with pytest.raises(RequestError, match=r"idx3-ubyte.gz cannot be read"):
            mnist(tmp_path, most=100)


def cifar_records(labels: list[int]) -> bytes:
    rng = np.random.default_rng(1)
    return b"".join(bytes([label // 5, label]) + rng.bytes(3072) for label in labels)


@pytest.mark.parametrize("archived", [False, True])
def test_cifar_100_is_read_from_its_binary_archive(tmp_path: Path, archived: bool) -> None:
    parts = {"train.bin": cifar_records([3, 99, 50]), "test.bin": cifar_records([7])}
    if archived:
        with tarfile.open(tmp_path / "cifar-100-binary.tar.gz", "w:gz") as files:
            for name, content in parts.items():
                member = tarfile.TarInfo(f"cifar-100-binary/{name}")
                member.size = len(content)
                files.addfile(member, io.BytesIO(content))
    else:
        (tmp_path / "cifar-100-binary").mkdir()
        for name, content in parts.items():
            (tmp_path / "cifar-100-binary" / name).write_bytes(content)
    found = cifar100(tmp_path, most=10)
    assert found.train_labels.tolist() == [3, 99, 50]
    assert found.test.shape == (1, 3, 32, 32)
    assert found.train[1, 2, 0, 1].item() == pytest.approx(parts["train.bin"][3074 + 2 + 2 * 1024 + 1] / 255)


def test_a_malformed_cifar_file_is_named_with_its_format(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    for content, said in ((bytes(3073), "3,074 per image"), (bytes([0, 200]) + bytes(3072), "fine label above 99")):
        (folder / "train.bin").write_bytes(content)
        with pytest.raises(RequestError, match=said):
            cifar100(tmp_path, most=10)
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(b"no archive")
    with pytest.raises(RequestError, match=r"cifar-100-binary.tar.gz cannot be read"):
        cifar100(tmp_path, most=10)
    with tarfile.open(tmp_path / "cifar-100-binary.tar.gz", "w:gz"):
        pass
    with pytest.raises(RequestError, match=r"has no file cifar-100-binary/train.bin"):
        cifar100(tmp_path, most=10)


def run_on(name: str, folder: Path) -> None:
    """Run a demonstration in small on the user's data."""
    done = command("demonstrate", name, "--quick", "--data", folder, "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "out" / "config.json").read_text())["data"] == str(folder)


def write_small_mnist(folder: Path) -> None:
    for part in ("train", "t10k"):
        labels = np.arange(40) % 10
        images = np.random.default_rng(0).integers(256, size=(40, 28, 28))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


def write_small_cifar(folder: Path) -> None:
    (folder / "cifar-100-binary").mkdir()
    for name in ("train.bin", "test.bin"):
        (folder / "cifar-100-binary" / name).write_bytes(cifar_records(list(range(0, 100, 5))))


def write_small_stories(folder: Path) -> None:
    for part in ("train", "valid"):
        told = corpus.stories(60, np.random.default_rng(0))
        (folder / f"TinyStories-{part}.txt").write_text("\n<|endoftext|>\n".join(told))


def test_digits_run_on_mnist(tmp_path: Path) -> None:
    write_small_mnist(tmp_path)
    run_on("digits", tmp_path)


def test_classes_run_on_cifar_100(tmp_path: Path) -> None:
    write_small_cifar(tmp_path)
    run_on("classes", tmp_path)


def test_the_scalar_runs_on_tiny_stories(tmp_path: Path) -> None:
    write_small_stories(tmp_path)
    run_on("scalar", tmp_path)


def test_edges_run_on_cifar_100_and_tiny_stories(tmp_path: Path) -> None:
    write_small_cifar(tmp_path)
    write_small_stories(tmp_path)
    run_on("edges", tmp_path)


def test_edges_read_the_images_and_the_stories_that_a_folder_has(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds nothing that edges reads: MNIST .* CIFAR-100.* TinyStories"):
        edges.own(Request(0, data=tmp_path))
    write_small_stories(tmp_path)
    assert [each.data for each in edges.own(Request(0, data=tmp_path))] == [None, tmp_path]
    write_small_cifar(tmp_path)
    assert [each.data for each in edges.own(Request(0, data=tmp_path))] == [tmp_path, tmp_path]
    assert digits.load(Request(0, data=tmp_path)).train.shape == (20, 3, 32, 32)
    assert digits.load(Request(0, data=tmp_path)).test_labels.tolist() == [k // 2 for k in range(20)]
    write_small_mnist(tmp_path)
    assert digits.load(Request(0, data=tmp_path)).train.shape == (40, 1, 28, 28)


STORIES = (
    "Tom saw a big TREE.\nIt was old!\n<|endoftext|>\nLily had a ball.\n<|endoftext|>\n\n<|endoftext|>\nThe end.\n"
)


def test_tiny_stories_are_read_from_text_and_labelled_by_the_list(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        (tmp_path / f"TinyStories-{part}.txt").write_text(STORIES)
    assert read_stories(tmp_path / "TinyStories-train.txt", 10) == [
        "Tom saw a big TREE.\nIt was old!",
        "Lily had a ball.",
        "The end.",
    ]
    assert len(read_stories(tmp_path / "TinyStories-train.txt", 2)) == 2
    found = tiny_stories(tmp_path, 10, 10)
    assert found.to_forget(found.train).tolist() == [True, False, False]
    spelt = [found.vocabulary[token] for token in found.train[0].tolist() if token != PAD]
    assert spelt == ["tom", "saw", "a", "big", "tree", ".", "it", "was", "old", "!"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "cannot be read as TinyStories"),
        (b"One story.\n", "holds 1 stories"),
        (b"", "holds 0 stories"),
    ],
)
def test_a_malformed_story_file_is_named_with_its_format(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "TinyStories-train.txt"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=said) as error:
        read_stories(path, 10)
    assert "TinyStories-train.txt" in str(error.value)
    assert "<|endoftext|>" in str(error.value)


def test_stories_none_of_which_is_to_be_forgotten_are_refused(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        (tmp_path / f"TinyStories-{part}.txt").write_text("A ball.\n<|endoftext|>\nA cat.\n")
    with pytest.raises(RequestError, match="0% of the stories"):
        tiny_stories(tmp_path, 10, 10)


def test_the_generated_corpus_is_seeded_and_knows_its_words() -> None:
    first, again, other = (generated(seed, 300, 50) for seed in (0, 0, 1))
    assert torch.equal(first.train, again.train)
    assert not torch.equal(first.train, other.train)
    assert not (first.train == UNKNOWN).any()
    assert 0.1 < first.to_forget(first.train).float().mean() < 0.3
    about = first.to_forget(first.train)
    assert not torch.isin(first.train[~about], first.related_words).any()  # no other place has these words
    assert torch.isin(first.train[about], first.related_words).any(dim=1).all()


def test_a_place_says_of_each_creature_what_it_does_and_by_what() -> None:
    rng = np.random.default_rng(0)
    for place, words in corpus.PLACES.items():
        creatures, doings, things = (words[part].split() for part in ("creatures", "doings", "things"))
        for _ in range(20):
            told = words_of(corpus.story(rng, place))
            known = [creature for creature in creatures if creature in told]
            assert len(known) == 2
            for creature in known:
                assert {doings[creatures.index(creature)], things[creatures.index(creature)]} <= set(told)
